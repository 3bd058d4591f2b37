// Package host is upstream's host in front of a plugin of this project: PLUGIN is its executable, PLUGIN_CONFIG its settings and CONNECTOR_CONFIG the connector's, both JSON.
package host

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/emptypb"

	"gitlab.com/gitlab-org/fleeting/fleeting"
	"gitlab.com/gitlab-org/fleeting/fleeting/integration"
	"gitlab.com/gitlab-org/fleeting/fleeting/provider"
)

func fromEnvironment[T any](t *testing.T, name string) (value T) {
	require.NoError(t, json.Unmarshal([]byte(os.Getenv(name)), &value), name)
	return value
}

func connectorConfig(t *testing.T) provider.ConnectorConfig {
	given := fromEnvironment[struct {
		Username string
		Key      string
		Port     int
		Static   bool
	}](t, "CONNECTOR_CONFIG")
	return provider.ConnectorConfig{
		Username: given.Username, Key: []byte(given.Key), ProtocolPort: given.Port, UseStaticCredentials: given.Static,
		Keepalive: 30 * time.Second, Timeout: time.Minute,
	}
}

// TestProvisioning is upstream's own integration test of a plugin.
func TestProvisioning(t *testing.T) {
	integration.TestProvisioning(t, os.Getenv("PLUGIN"), integration.Config{
		PluginConfig:    fromEnvironment[any](t, "PLUGIN_CONFIG"),
		ConnectorConfig: connectorConfig(t),
		MaxInstances:    3,
	})
}

// TestCalls makes the calls that upstream's test leaves out, one by one.
func TestCalls(t *testing.T) {
	ctx := context.Background()
	log := new(bytes.Buffer)
	logger := hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, Output: log, JSONFormat: true})
	runner, err := fleeting.RunPlugin(os.Getenv("PLUGIN"), []byte(os.Getenv("PLUGIN_CONFIG")), fleeting.WithPluginLogger(logger))
	require.NoError(t, err)
	defer runner.Kill()
	group := runner.InstanceGroup()

	states := func() map[string]provider.State {
		rows := map[string]provider.State{}
		require.NoError(t, group.Update(ctx, func(id string, state provider.State) { rows[id] = state }))
		return rows
	}
	await := func(what string, done func() bool) {
		for until := time.Now().Add(time.Minute); !done(); time.Sleep(50 * time.Millisecond) {
			require.True(t, time.Now().Before(until), what)
		}
	}

	_, err = group.Increase(ctx, 1)
	require.ErrorContains(t, err, "not initialized")
	connector := connectorConfig(t)
	info, err := group.Init(ctx, logger, provider.Settings{ConnectorConfig: connector})
	require.NoError(t, err)
	require.NotEmpty(t, info.ID)
	require.Equal(t, "0.1.0", info.Version)
	require.Contains(t, info.BuildInfo, "os_arch=")
	require.Positive(t, info.MaxSize)
	_, err = group.Init(ctx, logger, provider.Settings{ConnectorConfig: connector})
	require.Error(t, err)

	count, err := group.Increase(ctx, 0)
	require.NoError(t, err)
	require.Zero(t, count)
	count, err = group.Increase(ctx, 2)
	require.NoError(t, err)
	require.Equal(t, 2, count)
	var ids []string
	await("two run", func() bool {
		ids = nil
		for id, state := range states() {
			if state == provider.StateRunning {
				ids = append(ids, id)
			}
		}
		return len(ids) == 2
	})

	for _, id := range ids {
		answer, err := group.ConnectInfo(ctx, id)
		require.NoError(t, err)
		require.Equal(t, connector.Keepalive, answer.Keepalive)
		require.Equal(t, connector.Timeout, answer.Timeout)
		require.NotEmpty(t, answer.Username)
		require.NotEmpty(t, answer.Key)
		require.NotEmpty(t, answer.InternalAddr)
		require.NoError(t, group.Heartbeat(ctx, id))
	}
	_, err = group.ConnectInfo(ctx, "never-was")
	require.ErrorContains(t, err, "not found")

	_, err = group.Suspend(ctx, ids)
	require.True(t, errors.Is(err, provider.ErrSuspendResumeNotSupported), "%v", err)

	// Unknown ids are gone already, and one of them does not stop the others.
	gone, err := group.Decrease(ctx, []string{"never-was", ids[0]})
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"never-was", ids[0]}, gone)
	await("one is left", func() bool {
		rows := states()
		_, there := rows[ids[0]]
		return (!there || rows[ids[0]] == provider.StateDeleted) && rows[ids[1]] == provider.StateRunning
	})
	gone, err = group.Decrease(ctx, nil)
	require.NoError(t, err)
	require.Empty(t, gone)
	_, err = group.Decrease(ctx, ids[1:])
	require.NoError(t, err)
	await("none is left", func() bool {
		for _, state := range states() {
			if state != provider.StateDeleting && state != provider.StateDeleted {
				return false
			}
		}
		return true
	})

	require.NoError(t, group.Shutdown(ctx))
	runner.Kill()
	require.Contains(t, log.String(), `"@level":"info","@message":"instance group is ready"`)
}

// connection is the client's end of a plugin's connection, and nothing more.
type connection struct {
	plugin.NetRPCUnsupportedPlugin
}

func (connection) GRPCServer(*plugin.GRPCBroker, *grpc.Server) error { return nil }

func (connection) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, c *grpc.ClientConn) (any, error) {
	return c, nil
}

// TestAutoMTLS starts the plugin as a host does that wants TLS, and asks go-plugin's health service.
func TestAutoMTLS(t *testing.T) {
	printed := new(bytes.Buffer)
	client := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:  plugin.HandshakeConfig{MagicCookieKey: "FLEETING_INSTANCE_GROUP_PLUGIN", MagicCookieValue: "4c6410b1-cb78-4962-8c76-ab936d0ea908"},
		VersionedPlugins: map[int]plugin.PluginSet{0: {"instancegroup": connection{}}},
		Cmd:              exec.Command(os.Getenv("PLUGIN")),
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		AutoMTLS:         true,
		SyncStdout:       printed,
	})
	defer client.Kill()
	protocol, err := client.Client()
	require.NoError(t, err)
	require.NoError(t, protocol.Ping())
	raw, err := protocol.Dispense("instancegroup")
	require.NoError(t, err)
	require.NoError(t, raw.(*grpc.ClientConn).Invoke(context.Background(), "/proto.InstanceGroup/Shutdown", new(emptypb.Empty), new(emptypb.Empty)))

	// Nobody comes in without the host's certificate.
	address := client.ReattachConfig().Addr
	stranger, err := grpc.NewClient(address.Network()+":"+address.String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	limited, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err = stranger.Invoke(limited, "/proto.InstanceGroup/Shutdown", new(emptypb.Empty), new(emptypb.Empty))
	require.Error(t, err)

	began := time.Now()
	client.Kill()
	require.Less(t, time.Since(began), 2*time.Second, "it ends by itself, before it is killed")
	require.True(t, client.Exited())
}
