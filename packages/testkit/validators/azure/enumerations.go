package main

import (
	"reflect"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/compute/armcompute/v8"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v6"
)

// enumerations are the words of each of Microsoft's enumerations that was met.
var enumerations = map[reflect.Type]map[string]bool{}

// unmaintained enumerations say nothing of a word that they lack.
var unmaintained = map[reflect.Type]bool{}

func init() {
	enumeration(armcompute.PossibleCachingTypesValues())
	enumeration(armcompute.PossibleDeleteOptionsValues())
	enumeration(armcompute.PossibleDiskCreateOptionTypesValues())
	enumeration(armcompute.PossibleDiskDeleteOptionTypesValues())
	enumeration(armcompute.PossibleNetworkAPIVersionValues())
	enumeration(armcompute.PossibleOperatingSystemTypesValues())
	enumeration(armcompute.PossibleOrchestrationModeValues())
	enumeration(armcompute.PossibleRebalanceBehaviorValues())
	enumeration(armcompute.PossibleRebalanceStrategyValues())
	enumeration(armcompute.PossibleStatusLevelTypesValues())
	enumeration(armcompute.PossibleStorageAccountTypesValues())
	enumeration(armcompute.PossibleUpgradeModeValues())
	enumeration(armcompute.PossibleVirtualMachineEvictionPolicyTypesValues())
	enumeration(armcompute.PossibleVirtualMachinePriorityTypesValues())
	// Microsoft has stopped adding to it: "the enum data type is currently deprecated", sizes are listed by a call.
	unmaintained[reflect.TypeFor[armcompute.VirtualMachineSizeTypes]()] = true
	enumeration(armnetwork.PossibleIPAllocationMethodValues())
	enumeration(armnetwork.PossibleIPVersionValues())
	enumeration(armnetwork.PossibleProvisioningStateValues())
}

func enumeration[Word ~string](words []Word) {
	known := map[string]bool{}
	for _, word := range words {
		known[string(word)] = true
	}
	enumerations[reflect.TypeFor[Word]()] = known
}
