// Probe is a plugin made with upstream's library whose cloud is a file: it outlives the process, as a cloud does, and can be told to do what real plugins do at their worst.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"gitlab.com/gitlab-org/fleeting/fleeting/plugin"
	"gitlab.com/gitlab-org/fleeting/fleeting/provider"
)

// Faults are read from a file before each call, so that a test can change them while the plugin runs.
type faults struct {
	// Increase makes this many of what is asked, and refuses the rest with IncreaseError.
	IncreaseOnly  int    `json:"increase_only"`
	IncreaseError string `json:"increase_error"`
	// Decrease stops with an error at this id.
	DecreaseStopsAt string `json:"decrease_stops_at"`
	// Suspend and Resume do the first only, and refuse the rest.
	PowerPartly bool `json:"power_partly"`
	// ConnectInfo answers without times.
	ZeroTimes bool `json:"zero_times"`
	Unhealthy bool `json:"unhealthy"`
	// The method that waits until it is canceled, and one in which the process ends.
	Hang  string            `json:"hang"`
	Panic string            `json:"panic"`
	Error map[string]string `json:"error"`
}

type machine struct {
	ID    string         `json:"id"`
	State provider.State `json:"state"`
}

type group struct {
	File       string `json:"file"`
	Faults     string `json:"faults"`
	MaxSize    int    `json:"max_size"`
	ID         string `json:"group_id"`
	Address    string `json:"address"`
	ChildPid   string `json:"child_pid_file"`
	Suspension bool   `json:"suspension"`

	mu       sync.Mutex
	logger   hclog.Logger
	settings provider.Settings
}

func (g *group) machines() (list []machine) {
	if data, err := os.ReadFile(g.File); err == nil {
		if err := json.Unmarshal(data, &list); err != nil {
			panic(err)
		}
	}
	return list
}

func (g *group) write(list []machine) {
	data, _ := json.Marshal(list)
	if err := os.WriteFile(g.File+".new", data, 0o600); err != nil {
		panic(err)
	}
	if err := os.Rename(g.File+".new", g.File); err != nil {
		panic(err)
	}
}

// begin applies what may go wrong with any call.
func (g *group) begin(ctx context.Context, method string) (f faults, err error) {
	if data, readErr := os.ReadFile(g.Faults); readErr == nil {
		if err := json.Unmarshal(data, &f); err != nil {
			panic(err)
		}
	}
	g.logger.Debug("called", "method", method)
	if f.Panic == method {
		panic("told to panic in " + method)
	}
	if f.Hang == method {
		<-ctx.Done()
		g.logger.Info("canceled", "method", method)
		return f, ctx.Err()
	}
	if text := f.Error[method]; text != "" {
		return f, errors.New(text)
	}
	return f, nil
}

func (g *group) Init(ctx context.Context, logger hclog.Logger, settings provider.Settings) (provider.ProviderInfo, error) {
	g.logger, g.settings = logger, settings
	if _, err := g.begin(ctx, "Init"); err != nil {
		return provider.ProviderInfo{}, err
	}
	if g.ChildPid != "" {
		child := exec.Command("sleep", "1000")
		if err := child.Start(); err != nil {
			return provider.ProviderInfo{}, err
		}
		if err := os.WriteFile(g.ChildPid, []byte(strconv.Itoa(child.Process.Pid)), 0o600); err != nil {
			return provider.ProviderInfo{}, err
		}
	}
	fmt.Println("printed past the logger")
	info := provider.ProviderInfo{ID: g.ID, MaxSize: g.MaxSize, Version: "probe", BuildInfo: "by a test"}
	if g.Suspension {
		info.Capabilities = []provider.Capability{provider.CapabilitySuspendResume}
	}
	return info, nil
}

var next = map[provider.State]provider.State{
	provider.StateCreating:   provider.StateRunning,
	provider.StateSuspending: provider.StateSuspended,
	provider.StateResuming:   provider.StateRunning,
}

func (g *group) Update(ctx context.Context, update func(string, provider.State)) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, err := g.begin(ctx, "Update"); err != nil {
		return err
	}
	var kept []machine
	for _, m := range g.machines() {
		update(m.ID, m.State)
		if after, ok := next[m.State]; ok {
			m.State = after
		}
		if m.State != provider.StateDeleting {
			kept = append(kept, m)
		}
	}
	g.write(kept)
	return nil
}

func (g *group) Increase(ctx context.Context, n int) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f, err := g.begin(ctx, "Increase")
	if err != nil {
		return 0, err
	}
	made := n
	if f.IncreaseError != "" {
		made = min(n, f.IncreaseOnly)
	}
	list := g.machines()
	for range made {
		list = append(list, machine{ID: fmt.Sprintf("probe-%d", time.Now().UnixNano()), State: provider.StateCreating})
	}
	g.write(list)
	if made < n {
		return made, errors.New(f.IncreaseError)
	}
	return made, nil
}

// change applies a state to each, and stops as told.
func (g *group) change(ids []string, state provider.State, stopsAt int) ([]string, error) {
	list := g.machines()
	var done []string
	for place, id := range ids {
		found := false
		for i := range list {
			if list[i].ID == id {
				found = true
				if place != stopsAt {
					list[i].State = state
				}
			}
		}
		if place == stopsAt || !found {
			g.write(list)
			return done, fmt.Errorf("instance %q does not exist, or is not to be touched", id)
		}
		done = append(done, id)
	}
	g.write(list)
	return done, nil
}

func (g *group) Decrease(ctx context.Context, ids []string) ([]string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f, err := g.begin(ctx, "Decrease")
	if err != nil {
		return nil, err
	}
	stopsAt := -1
	for place, id := range ids {
		if id == f.DecreaseStopsAt {
			stopsAt = place
		}
	}
	return g.change(ids, provider.StateDeleting, stopsAt)
}

func (g *group) power(ctx context.Context, method string, ids []string, state provider.State) ([]string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f, err := g.begin(ctx, method)
	if err != nil {
		return nil, err
	}
	stopsAt := -1
	if f.PowerPartly {
		stopsAt = 1
	}
	return g.change(ids, state, stopsAt)
}

func (g *group) Suspend(ctx context.Context, ids []string) ([]string, error) {
	return g.power(ctx, "Suspend", ids, provider.StateSuspending)
}

func (g *group) Resume(ctx context.Context, ids []string) ([]string, error) {
	return g.power(ctx, "Resume", ids, provider.StateResuming)
}

func (g *group) ConnectInfo(ctx context.Context, id string) (provider.ConnectInfo, error) {
	f, err := g.begin(ctx, "ConnectInfo")
	if err != nil {
		return provider.ConnectInfo{}, err
	}
	for _, m := range g.machines() {
		if m.ID == id {
			info := provider.ConnectInfo{ConnectorConfig: g.settings.ConnectorConfig, ID: id, InternalAddr: g.Address}
			if f.ZeroTimes {
				info.Keepalive, info.Timeout = 0, 0
			}
			// Handed back for a test to see what was sent.
			g.logger.Info("connect info", "keepalive", int64(g.settings.Keepalive), "timeout", int64(g.settings.Timeout))
			return info, nil
		}
	}
	return provider.ConnectInfo{}, fmt.Errorf("instance %q not found", id)
}

func (g *group) Heartbeat(ctx context.Context, id string) error {
	f, err := g.begin(ctx, "Heartbeat")
	if err != nil {
		return err
	}
	if f.Unhealthy {
		return fmt.Errorf("heartbeat: %w", provider.ErrInstanceUnhealthy)
	}
	return nil
}

func (g *group) Shutdown(ctx context.Context) error {
	_, err := g.begin(ctx, "Shutdown")
	return err
}

func main() {
	plugin.Main(&group{}, plugin.VersionInfo{Name: "fleeting-plugin-probe"})
}
