package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/compute/armcompute/v8"
)

// exchange is a request with its answer. Names of headers are in small letters.
type exchange struct {
	// Of the specification, for example VirtualMachineScaleSets_Get.
	Operation      string            `json:"operation"`
	Method         string            `json:"method"`
	URL            string            `json:"url"`
	RequestHeaders map[string]string `json:"requestHeaders"`
	RequestBody    string            `json:"requestBody"`
	Status         int               `json:"status"`
	AnswerHeaders  map[string]string `json:"answerHeaders"`
	AnswerBody     string            `json:"answerBody"`
}

func (e exchange) request(ctx context.Context) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, e.Method, e.URL, strings.NewReader(e.RequestBody))
	if err != nil {
		return nil, err
	}
	for name, value := range e.RequestHeaders {
		request.Header.Set(name, value)
	}
	return request, nil
}

// recorded answers every request with what was recorded, and remembers the first.
type recorded struct {
	exchange
	asked *http.Request
	body  []byte
}

func (r *recorded) Do(request *http.Request) (*http.Response, error) {
	if r.asked == nil {
		r.asked = request
		if request.Body != nil {
			body, err := io.ReadAll(request.Body)
			if err != nil {
				return nil, err
			}
			r.body = body
		}
	}
	header := http.Header{}
	for name, value := range r.AnswerHeaders {
		header.Set(name, value)
	}
	return &http.Response{
		Status:     http.StatusText(r.Status),
		StatusCode: r.Status,
		Header:     header,
		Body:       io.NopCloser(bytes.NewReader([]byte(r.AnswerBody))),
		Request:    request,
	}, nil
}

// conversation remembers the addresses that answers gave: whoever asks for one of these need not have made it up himself.
type conversation struct {
	pages      map[string]bool
	operations map[string]bool
}

func newConversation() *conversation {
	return &conversation{pages: map[string]bool{}, operations: map[string]bool{}}
}

func (c *conversation) check(e exchange) []string {
	if e.Operation == "Operations_Get" {
		return c.checkOperation(e)
	}
	operation, ok := operations[e.Operation]
	if !ok {
		return []string{fmt.Sprintf("no such operation: %s %s", e.Method, e.URL)}
	}
	address, err := url.Parse(e.URL)
	if err != nil {
		return []string{err.Error()}
	}
	if c.pages[e.URL] {
		// The server knows only the first page's address.
		query := address.Query()
		query.Del("$skiptoken")
		address.RawQuery = query.Encode()
	}
	address.Path = strings.NewReplacer(operation.spelling...).Replace(address.Path)
	e.URL = address.String()

	// Microsoft's server reads the request.
	reading := &reading{}
	request, err := e.request(context.WithValue(context.Background(), runtime.CtxAPINameKey{}, operation.api))
	if err != nil {
		return []string{err.Error()}
	}
	if _, err := operation.server(reading).Do(request); !errors.Is(err, errRead) {
		return []string{fmt.Sprintf("request: %v", err)}
	}

	// Microsoft's client asks for the same, and reads the answer.
	transport := &recorded{exchange: e}
	answer, err := reading.ask(newClients(address, transport))
	problems := compareRequests(e, address, transport)
	if problem := checkOutcome(e, err); problem != "" {
		problems = append(problems, problem)
	}
	if e.Status >= 400 {
		return append(problems, checkRefusal(e)...)
	}
	if err == nil && answer != nil {
		problems = append(problems, strictly([]byte(e.AnswerBody), answer, "answer")...)
	}
	c.remember(e)
	return problems
}

func (c *conversation) remember(e exchange) {
	var page struct {
		NextLink string `json:"nextLink"`
	}
	if json.Unmarshal([]byte(e.AnswerBody), &page) == nil && page.NextLink != "" {
		c.pages[page.NextLink] = true
	}
	if follow := e.AnswerHeaders["azure-asyncoperation"]; follow != "" {
		c.operations[follow] = true
	}
}

// checkOperation lets Microsoft's poller read how a long-running operation stands.
func (c *conversation) checkOperation(e exchange) []string {
	if e.Method != http.MethodGet || !c.operations[e.URL] {
		return []string{fmt.Sprintf("no answer gave this address: %s %s", e.Method, e.URL)}
	}
	transport := &recorded{exchange: e}
	started, err := http.NewRequest(http.MethodPost, e.URL, nil)
	if err != nil {
		return []string{err.Error()}
	}
	accepted := &http.Response{
		StatusCode: http.StatusAccepted,
		Header:     http.Header{"Azure-Asyncoperation": []string{e.URL}},
		Body:       http.NoBody,
		Request:    started,
	}
	poller, err := runtime.NewPoller[any](accepted, newPipeline(transport), nil)
	if err != nil {
		return []string{err.Error()}
	}
	_, err = poller.Poll(context.Background())
	if problem := checkOutcome(e, err); problem != "" {
		return []string{problem}
	}
	if e.Status >= 400 {
		return checkRefusal(e)
	}
	if !poller.Done() {
		return nil
	}
	var failure *azcore.ResponseError
	if _, err = poller.Result(context.Background()); errors.As(err, &failure) && failure.ErrorCode == "" {
		return []string{"answer: the operation failed without a code"}
	} else if err != nil && failure == nil {
		return []string{fmt.Sprintf("answer: %v", err)}
	}
	return nil
}

// checkOutcome says what Microsoft's client should not have made of an answer.
func checkOutcome(e exchange, err error) string {
	var refusal *azcore.ResponseError
	switch {
	case errors.As(err, &refusal) && e.Status < 400:
		return fmt.Sprintf("answer: the client does not take the status %d", e.Status)
	case refusal != nil && refusal.ErrorCode == "":
		return "answer: the client finds no error code"
	case refusal == nil && err != nil:
		return fmt.Sprintf("answer: %v", err)
	case err == nil && e.Status >= 400:
		return fmt.Sprintf("answer: the client takes the status %d for success", e.Status)
	}
	return ""
}

func checkRefusal(e exchange) []string {
	var envelope map[string]json.RawMessage
	if err := json.Unmarshal([]byte(e.AnswerBody), &envelope); err != nil {
		return []string{fmt.Sprintf("answer: %v", err)}
	}
	if len(envelope) != 1 || envelope["error"] == nil {
		return []string{"answer: expected an error in its envelope and nothing else"}
	}
	return strictly(envelope["error"], &armcompute.APIError{}, "answer.error")
}

// compareRequests says in what the plugin's request differs from that of Microsoft's client.
func compareRequests(e exchange, address *url.URL, transport *recorded) []string {
	asked := transport.asked
	if asked == nil {
		return []string{"request: the client asks for nothing"}
	}
	var problems []string
	differ := func(what string, plugin, client any) {
		if !reflect.DeepEqual(plugin, client) {
			problems = append(problems, fmt.Sprintf("request: %s: the plugin has %v, Microsoft's client %v", what, plugin, client))
		}
	}
	differ("method", e.Method, asked.Method)
	differ("path", address.EscapedPath(), asked.URL.EscapedPath())
	differ("query", address.Query(), asked.URL.Query())
	for _, header := range []string{"if-match", "if-none-match"} {
		differ(header, e.RequestHeaders[header], asked.Header.Get(header))
	}
	if e.RequestBody == "" && len(transport.body) == 0 {
		return problems
	}
	return append(problems, compareJSON([]byte(e.RequestBody), transport.body, "request")...)
}
