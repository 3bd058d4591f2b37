// Holds the plugin azure and the fake Azure against Microsoft's own generated code: the server that Microsoft generates for tests reads what the plugin asks, the client that it generates asks for the
// same thing and reads what the fake answers. What either finds wrong, and every field or word that neither knows, is a problem.
//
// Standard input: one JSON object a line, either an exchange (exchange.go), in the order in which they were answered, or `{"model": …, "value": …}` (models.go).
// Standard output: one JSON object: how many lines were checked, how often each operation was seen, and the problems.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
)

type verdict struct {
	Checked    int            `json:"checked"`
	Operations map[string]int `json:"operations"`
	Problems   []string       `json:"problems"`
}

// line is either of the two kinds.
type line struct {
	exchange
	Model string          `json:"model"`
	Value json.RawMessage `json:"value"`
}

func main() {
	out := verdict{Operations: map[string]int{}, Problems: []string{}}
	conversation := newConversation()
	input := bufio.NewScanner(os.Stdin)
	input.Buffer(nil, 1<<28)
	for input.Scan() {
		var entry line
		if err := json.Unmarshal(input.Bytes(), &entry); err != nil {
			fail(err)
		}
		out.Checked++
		var what string
		var problems []string
		if entry.Model != "" {
			what, problems = entry.Model, checkModel(entry.Model, entry.Value)
		} else {
			what, problems = entry.Operation, conversation.check(entry.exchange)
			out.Operations[entry.Operation]++
		}
		for _, problem := range problems {
			out.Problems = append(out.Problems, fmt.Sprintf("%d: %s: %s", out.Checked, what, problem))
		}
	}
	if err := input.Err(); err != nil {
		fail(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(out); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
