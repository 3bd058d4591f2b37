package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"time"
)

// strictly decodes into Microsoft's type and encodes again: what is lost on the way, Microsoft does not know. Words of an enumeration are looked up.
func strictly(data []byte, model any, path string) []string {
	decoded := reflect.New(reflect.Indirect(reflect.ValueOf(model)).Type())
	if err := json.Unmarshal(data, decoded.Interface()); err != nil {
		return []string{fmt.Sprintf("%s: %v", path, err)}
	}
	again, err := json.Marshal(decoded.Interface())
	if err != nil {
		return []string{fmt.Sprintf("%s: %v", path, err)}
	}
	return append(compareJSON(data, again, path), unknownWords(decoded, path)...)
}

func compareJSON(data, again []byte, path string) []string {
	var left, right any
	if err := json.Unmarshal(data, &left); err != nil {
		return []string{fmt.Sprintf("%s: %v", path, err)}
	}
	if err := json.Unmarshal(again, &right); err != nil {
		return []string{fmt.Sprintf("%s: %v", path, err)}
	}
	return compare(left, right, path)
}

func compare(left, right any, path string) (problems []string) {
	switch value := left.(type) {
	case map[string]any:
		known, _ := right.(map[string]any)
		for key, inner := range value {
			if other, ok := known[key]; ok {
				problems = append(problems, compare(inner, other, path+"."+key)...)
			} else {
				problems = append(problems, fmt.Sprintf("%s.%s: unknown", path, key))
			}
		}
	case []any:
		known, _ := right.([]any)
		if len(known) != len(value) {
			return []string{fmt.Sprintf("%s: of %d elements %d are understood", path, len(value), len(known))}
		}
		for index, inner := range value {
			problems = append(problems, compare(inner, known[index], fmt.Sprintf("%s[%d]", path, index))...)
		}
	default:
		if left != right && !sameTime(left, right) {
			problems = append(problems, fmt.Sprintf("%s: %v is understood as %v", path, left, right))
		}
	}
	return problems
}

func sameTime(left, right any) bool {
	one, err := time.Parse(time.RFC3339, fmt.Sprint(left))
	other, otherErr := time.Parse(time.RFC3339, fmt.Sprint(right))
	return err == nil && otherErr == nil && one.Equal(other)
}

// unknownWords finds values that are not of their enumeration.
func unknownWords(value reflect.Value, path string) (problems []string) {
	switch value.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !value.IsNil() {
			return unknownWords(value.Elem(), path)
		}
	case reflect.Struct:
		for index := range value.NumField() {
			if field := value.Type().Field(index); field.IsExported() {
				problems = append(problems, unknownWords(value.Field(index), path+"."+field.Name)...)
			}
		}
	case reflect.Slice:
		for index := range value.Len() {
			problems = append(problems, unknownWords(value.Index(index), fmt.Sprintf("%s[%d]", path, index))...)
		}
	case reflect.Map:
		for _, key := range value.MapKeys() {
			problems = append(problems, unknownWords(value.MapIndex(key), fmt.Sprintf("%s.%v", path, key))...)
		}
	case reflect.String:
		if value.Type() == reflect.TypeFor[string]() || unmaintained[value.Type()] {
			return nil
		}
		words, ok := enumerations[value.Type()]
		if !ok {
			return []string{fmt.Sprintf("%s: the validator lacks the words of %v", path, value.Type())}
		}
		if !words[value.String()] {
			return []string{fmt.Sprintf("%s: %q is no %v", path, value.String(), value.Type())}
		}
	}
	return problems
}

func subscriptionOf(address *url.URL) string {
	parts := strings.Split(address.Path, "/")
	if len(parts) > 2 && parts[1] == "subscriptions" {
		return parts[2]
	}
	return ""
}
