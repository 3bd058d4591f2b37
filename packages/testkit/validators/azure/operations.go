package main

import (
	"context"
	"errors"
	"net/url"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	azfake "github.com/Azure/azure-sdk-for-go/sdk/azcore/fake"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/compute/armcompute/v8"
	compute "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/compute/armcompute/v8/fake"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/monitor/armmonitor"
	monitor "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/monitor/armmonitor/fake"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v6"
	network "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v6/fake"
)

// errRead ends the server's part: it has read the request, and its own answer is not wanted.
var errRead = errors.New("read")

// ask makes the generated client ask for what the generated server has read. What it decoded; nil for an answer without a body.
type ask func(clients) (any, error)

// reading is what the server made of a request.
type reading struct{ ask ask }

func (r *reading) read(ask ask) (err azfake.ErrorResponder) {
	r.ask = ask
	err.SetError(errRead)
	return err
}

// readPage is for lists. Each page is asked for as if it were the first.
func readPage[Page any](r *reading, list func(clients) *runtime.Pager[Page]) (pages azfake.PagerResponder[Page]) {
	r.ask = func(c clients) (any, error) {
		page, err := list(c).NextPage(context.Background())
		return page, err
	}
	pages.AddError(errRead)
	return pages
}

type operation struct {
	// By which the generated server knows it.
	api    string
	server func(*reading) policy.Transporter
	// Where Microsoft spells a path unlike all others. Resource Manager does not tell capitals from small letters.
	spelling []string
}

// By the specification's names.
var operations = map[string]operation{
	"VirtualMachineScaleSets_Get":                                   {"VirtualMachineScaleSetsClient.Get", computeServer, nil},
	"VirtualMachineScaleSets_Update":                                {"VirtualMachineScaleSetsClient.BeginUpdate", computeServer, nil},
	"VirtualMachineScaleSets_DeleteInstances":                       {"VirtualMachineScaleSetsClient.BeginDeleteInstances", computeServer, nil},
	"VirtualMachineScaleSetVMs_Get":                                 {"VirtualMachineScaleSetVMsClient.Get", computeServer, nil},
	"VirtualMachineScaleSetVMs_List":                                {"VirtualMachineScaleSetVMsClient.NewListPager", computeServer, nil},
	"VirtualMachines_Get":                                           {"VirtualMachinesClient.Get", computeServer, nil},
	"VirtualMachines_List":                                          {"VirtualMachinesClient.NewListPager", computeServer, nil},
	"NetworkInterfaces_ListVirtualMachineScaleSetNetworkInterfaces": {"InterfacesClient.NewListVirtualMachineScaleSetNetworkInterfacesPager", networkServer, []string{"/Microsoft.Compute/", "/microsoft.Compute/"}},
	"NetworkInterfaces_List":                                        {"InterfacesClient.NewListPager", networkServer, nil},
	"PublicIPAddresses_ListVirtualMachineScaleSetPublicIPAddresses": {"PublicIPAddressesClient.NewListVirtualMachineScaleSetPublicIPAddressesPager", networkServer, nil},
	"PublicIPAddresses_List":                                        {"PublicIPAddressesClient.NewListPager", networkServer, nil},
	"AutoscaleSettings_ListByResourceGroup":                         {"AutoscaleSettingsClient.NewListByResourceGroupPager", monitorServer, []string{"/resourceGroups/", "/resourcegroups/", "/autoscaleSettings", "/autoscalesettings"}},
}

func computeServer(r *reading) policy.Transporter {
	type (
		getOptions        = armcompute.VirtualMachineScaleSetsClientGetOptions
		getAnswer         = armcompute.VirtualMachineScaleSetsClientGetResponse
		updateOptions     = armcompute.VirtualMachineScaleSetsClientBeginUpdateOptions
		updateAnswer      = armcompute.VirtualMachineScaleSetsClientUpdateResponse
		deleteOptions     = armcompute.VirtualMachineScaleSetsClientBeginDeleteInstancesOptions
		deleteAnswer      = armcompute.VirtualMachineScaleSetsClientDeleteInstancesResponse
		scaleSetVMOptions = armcompute.VirtualMachineScaleSetVMsClientGetOptions
		scaleSetVM        = armcompute.VirtualMachineScaleSetVMsClientGetResponse
		scaleSetVMs       = armcompute.VirtualMachineScaleSetVMsClientListResponse
		vmOptions         = armcompute.VirtualMachinesClientGetOptions
		vm                = armcompute.VirtualMachinesClientGetResponse
		vms               = armcompute.VirtualMachinesClientListResponse
	)
	return compute.NewServerFactoryTransport(&compute.ServerFactory{
		VirtualMachineScaleSetsServer: compute.VirtualMachineScaleSetsServer{
			Get: func(ctx context.Context, group, set string, options *getOptions) (_ azfake.Responder[getAnswer], err azfake.ErrorResponder) {
				return azfake.Responder[getAnswer]{}, r.read(func(c clients) (any, error) {
					answer, err := c.compute.NewVirtualMachineScaleSetsClient().Get(context.Background(), group, set, options)
					return answer.VirtualMachineScaleSet, err
				})
			},
			BeginUpdate: func(ctx context.Context, group, set string, change armcompute.VirtualMachineScaleSetUpdate, options *updateOptions) (_ azfake.PollerResponder[updateAnswer], err azfake.ErrorResponder) {
				return azfake.PollerResponder[updateAnswer]{}, r.read(func(c clients) (any, error) {
					_, err := c.compute.NewVirtualMachineScaleSetsClient().BeginUpdate(context.Background(), group, set, change, options)
					return armcompute.VirtualMachineScaleSet{}, err
				})
			},
			BeginDeleteInstances: func(ctx context.Context, group, set string, ids armcompute.VirtualMachineScaleSetVMInstanceRequiredIDs, options *deleteOptions) (_ azfake.PollerResponder[deleteAnswer], err azfake.ErrorResponder) {
				return azfake.PollerResponder[deleteAnswer]{}, r.read(func(c clients) (any, error) {
					_, err := c.compute.NewVirtualMachineScaleSetsClient().BeginDeleteInstances(context.Background(), group, set, ids, options)
					return nil, err
				})
			},
		},
		VirtualMachineScaleSetVMsServer: compute.VirtualMachineScaleSetVMsServer{
			Get: func(ctx context.Context, group, set, id string, options *scaleSetVMOptions) (_ azfake.Responder[scaleSetVM], err azfake.ErrorResponder) {
				return azfake.Responder[scaleSetVM]{}, r.read(func(c clients) (any, error) {
					answer, err := c.compute.NewVirtualMachineScaleSetVMsClient().Get(context.Background(), group, set, id, options)
					return answer.VirtualMachineScaleSetVM, err
				})
			},
			NewListPager: func(group, set string, options *armcompute.VirtualMachineScaleSetVMsClientListOptions) azfake.PagerResponder[scaleSetVMs] {
				return readPage(r, func(c clients) *runtime.Pager[scaleSetVMs] {
					return c.compute.NewVirtualMachineScaleSetVMsClient().NewListPager(group, set, options)
				})
			},
		},
		VirtualMachinesServer: compute.VirtualMachinesServer{
			Get: func(ctx context.Context, group, name string, options *vmOptions) (_ azfake.Responder[vm], err azfake.ErrorResponder) {
				return azfake.Responder[vm]{}, r.read(func(c clients) (any, error) {
					answer, err := c.compute.NewVirtualMachinesClient().Get(context.Background(), group, name, options)
					return answer.VirtualMachine, err
				})
			},
			NewListPager: func(group string, options *armcompute.VirtualMachinesClientListOptions) azfake.PagerResponder[vms] {
				return readPage(r, func(c clients) *runtime.Pager[vms] {
					return c.compute.NewVirtualMachinesClient().NewListPager(group, options)
				})
			},
		},
	})
}

func networkServer(r *reading) policy.Transporter {
	type (
		setInterfaces = armnetwork.InterfacesClientListVirtualMachineScaleSetNetworkInterfacesResponse
		interfaces    = armnetwork.InterfacesClientListResponse
		setAddresses  = armnetwork.PublicIPAddressesClientListVirtualMachineScaleSetPublicIPAddressesResponse
		addresses     = armnetwork.PublicIPAddressesClientListResponse
	)
	return network.NewServerFactoryTransport(&network.ServerFactory{
		InterfacesServer: network.InterfacesServer{
			NewListVirtualMachineScaleSetNetworkInterfacesPager: func(group, set string, options *armnetwork.InterfacesClientListVirtualMachineScaleSetNetworkInterfacesOptions) azfake.PagerResponder[setInterfaces] {
				return readPage(r, func(c clients) *runtime.Pager[setInterfaces] {
					return c.network.NewInterfacesClient().NewListVirtualMachineScaleSetNetworkInterfacesPager(group, set, options)
				})
			},
			NewListPager: func(group string, options *armnetwork.InterfacesClientListOptions) azfake.PagerResponder[interfaces] {
				return readPage(r, func(c clients) *runtime.Pager[interfaces] {
					return c.network.NewInterfacesClient().NewListPager(group, options)
				})
			},
		},
		PublicIPAddressesServer: network.PublicIPAddressesServer{
			NewListVirtualMachineScaleSetPublicIPAddressesPager: func(group, set string, options *armnetwork.PublicIPAddressesClientListVirtualMachineScaleSetPublicIPAddressesOptions) azfake.PagerResponder[setAddresses] {
				return readPage(r, func(c clients) *runtime.Pager[setAddresses] {
					return c.network.NewPublicIPAddressesClient().NewListVirtualMachineScaleSetPublicIPAddressesPager(group, set, options)
				})
			},
			NewListPager: func(group string, options *armnetwork.PublicIPAddressesClientListOptions) azfake.PagerResponder[addresses] {
				return readPage(r, func(c clients) *runtime.Pager[addresses] {
					return c.network.NewPublicIPAddressesClient().NewListPager(group, options)
				})
			},
		},
	})
}

func monitorServer(r *reading) policy.Transporter {
	type settings = armmonitor.AutoscaleSettingsClientListByResourceGroupResponse
	return monitor.NewServerFactoryTransport(&monitor.ServerFactory{
		AutoscaleSettingsServer: monitor.AutoscaleSettingsServer{
			NewListByResourceGroupPager: func(group string, options *armmonitor.AutoscaleSettingsClientListByResourceGroupOptions) azfake.PagerResponder[settings] {
				return readPage(r, func(c clients) *runtime.Pager[settings] {
					return c.monitor.NewAutoscaleSettingsClient().NewListByResourceGroupPager(group, options)
				})
			},
		},
	})
}

// clients are Microsoft's generated ones.
type clients struct {
	compute *armcompute.ClientFactory
	network *armnetwork.ClientFactory
	monitor *armmonitor.ClientFactory
}

func newClients(address *url.URL, transport policy.Transporter) clients {
	options := &arm.ClientOptions{
		ClientOptions: azcore.ClientOptions{
			Transport: transport,
			Retry:     policy.RetryOptions{MaxRetries: -1},
			Cloud: cloud.Configuration{
				ActiveDirectoryAuthorityHost: "https://localhost",
				Services: map[cloud.ServiceName]cloud.ServiceConfiguration{
					cloud.ResourceManager: {Endpoint: address.Scheme + "://" + address.Host, Audience: "https://localhost"},
				},
			},
		},
		DisableRPRegistration: true,
	}
	subscription := subscriptionOf(address)
	var made clients
	var errs [3]error
	made.compute, errs[0] = armcompute.NewClientFactory(subscription, &azfake.TokenCredential{}, options)
	made.network, errs[1] = armnetwork.NewClientFactory(subscription, &azfake.TokenCredential{}, options)
	made.monitor, errs[2] = armmonitor.NewClientFactory(subscription, &azfake.TokenCredential{}, options)
	if err := errors.Join(errs[:]...); err != nil {
		fail(err)
	}
	return made
}

func newPipeline(transport policy.Transporter) runtime.Pipeline {
	options := policy.ClientOptions{Transport: transport, Retry: policy.RetryOptions{MaxRetries: -1}}
	return runtime.NewPipeline("validator", "v1.0.0", runtime.PipelineOptions{}, &options)
}
