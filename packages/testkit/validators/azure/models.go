package main

import (
	"encoding/json"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/compute/armcompute/v8"
)

// models are bodies that operators send.
var models = map[string]any{
	"VirtualMachineScaleSet": armcompute.VirtualMachineScaleSet{},
}

func checkModel(name string, value json.RawMessage) []string {
	model, ok := models[name]
	if !ok {
		return []string{"no such model"}
	}
	return strictly(value, model, "value")
}
