package config

import (
	"bytes"
	"encoding/json"
	"maps"
)

// Schema returns the JSON Schema (draft 2020-12) of a document, indented.
func Schema() []byte {
	var l loader
	doc := ordered{
		{"$schema", "https://json-schema.org/draft/2020-12/schema"},
		{"title", "keylift configuration"},
		{"type", "object"},
		{"additionalProperties", false},
		{"properties", properties(settings, l.settle(layer{}))},
	}
	b, err := json.Marshal(doc)
	if err != nil {
		panic(err) // the table of settings holds what JSON cannot
	}
	var out bytes.Buffer
	_ = json.Indent(&out, b, "", "  ") // Marshal's output is JSON
	out.WriteByte('\n')
	return out.Bytes()
}

// properties returns the schemas of settings, with the defaults that a C holds.
func properties[C any](settings []setting[C], defaults *C) ordered {
	all := make(ordered, 0, len(settings))
	for i := range settings {
		s := &settings[i]
		p := map[string]any{"type": "string"}
		if s.value != nil {
			p = maps.Clone(s.value.jsonSchema())
			if s.Default != "" {
				p["default"] = s.value.print(defaults)
			}
		}
		p["description"] = s.Doc
		if s.Secret {
			p["writeOnly"] = true
		}
		all = append(all, property{s.Key, p})
	}
	return all
}

// ordered is a JSON object whose keys keep their order.
type ordered []property

type property struct {
	name  string
	value any
}

// MarshalJSON writes the properties in order.
func (o ordered) MarshalJSON() ([]byte, error) {
	out := []byte{'{'}
	for i, p := range o {
		if i > 0 {
			out = append(out, ',')
		}
		name, err := literal(p.name)
		if err != nil {
			return nil, err
		}
		value, err := literal(p.value)
		if err != nil {
			return nil, err
		}
		out = append(append(append(out, name...), ':'), value...)
	}
	return append(out, '}'), nil
}

// literal writes v as JSON does, without escaping what only HTML minds.
func literal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}
