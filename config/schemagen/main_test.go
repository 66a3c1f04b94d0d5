package main

import (
	"bytes"
	"testing"

	"github.com/invopop/jsonschema"

	"tagline/config"
	"tagline/policies"
)

// The committed schema is the one of this source.
func TestCommittedSchema(t *testing.T) {
	want, err := generate()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(config.Schema, want) {
		t.Error("config/images.schema.json is not what the generator writes; run `go generate ./config`")
	}
}

// An editor has something to show for every key, and knows every policy.
func TestEveryKeyHasHelp(t *testing.T) {
	root := file()
	objects := map[string]*jsonschema.Schema{"the file": root}
	for name, s := range root.Definitions {
		objects[name] = s
		if s.Description == "" {
			t.Errorf("%s has no description", name)
		}
	}
	for name, s := range objects {
		if s.Properties == nil {
			continue
		}
		for p := s.Properties.Oldest(); p != nil; p = p.Next() {
			if p.Value.Description == "" {
				t.Errorf("%s: %s has no description", name, p.Key)
			}
		}
	}
	for _, key := range policies.Keys() {
		if _, ok := root.Definitions["policies"].Properties.Get(key.Name); !ok {
			t.Errorf("policy %s is not in the schema", key.Name)
		}
	}
}
