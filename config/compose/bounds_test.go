package compose_test

import (
	"fmt"
	"strings"
	"testing"

	"tagline/config/compose"
)

const tooLarge = "compose.yml: error[too-much]: project is too large: more than 100000 values"

// What is made to take all memory and time there is.
func TestHostile(t *testing.T) {
	nested := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	laughs := "x-0: &a0 [ha,ha,ha,ha,ha,ha,ha,ha,ha]\n"
	for i := range 9 {
		laughs += fmt.Sprintf("x-%d: &a%d [%s]\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i), 9), ","))
	}
	doubled := "A=" + strings.Repeat("x", 1000) + "\n"
	for range 40 {
		doubled += "A=$A$A\n"
	}
	many := ""
	for i := range 30 {
		many += fmt.Sprintf("-- %d.yml --\ninclude: [%d.yml, ./%d.yml]\n", i, i+1, i+1)
	}
	refuse(t, []refused{
		{"too large", "-- compose.yml --\n" + strings.Repeat("# more\n", 200_000), `compose.yml: error[too-large]: file has 1400000 bytes; at most 1048576 are read`},
		{"billion laughs", "-- compose.yml --\n" + laughs, tooLarge},
		{"YAML alias of itself", "-- compose.yml --\nx-a: &a [*a]\n", `error[too-deep]: maps, lists and YAML aliases are nested more than 100 deep`},
		{"merge of itself", "-- compose.yml --\nservices: &a\n  <<: *a\n", `error[too-deep]: maps, lists and YAML aliases are nested more than 100 deep`},
		{"nested deep", "-- compose.yml --\nx-a: " + nested(5000), `error[too-deep]: maps, lists and YAML aliases are nested more than 100 deep`},
		{"variables that double", "-- .env --\n" + doubled + "-- compose.yml --\nservices: {}\n", tooLarge},
		{"variables that double in an included folder", "-- sub/.env --\n" + doubled + "-- compose.yml --\ninclude: [sub/b.yml]\n-- sub/b.yml --\nservices: {}\n", tooLarge},
		{"variables that double in the second of two files", "-- a --\nA=" + strings.Repeat("x", 1000) + "\n-- b --\nB=$A$A\n" + strings.Repeat("B=$B$B\n", 40) + "-- compose.yml --\ninclude: [{path: b.yml, env_file: [a, b]}]\n-- b.yml --\nservices: {}\n", tooLarge},
		{"long text with variables", "-- compose.yml --\nservices: {a: {image: \"" + strings.Repeat("${A:-", 20_000) + "\"}}\n", tooLarge},
		{"includes that double", "-- compose.yml --\ninclude: [0.yml]\n" + many + "-- 30.yml --\nservices: {z: {image: a}}\n", tooLarge},
	})
}

// What compose-go would make large is not given to it.
func TestLarge(t *testing.T) {
	wide := "x-wide: &wide\n"
	for i := range 2000 {
		wide += fmt.Sprintf("  k%d: v\n", i)
	}
	extends := "services:\n  base: {labels: *wide}\n"
	chain := "services:\n  s0: {image: a}\n"
	for i := range 1000 {
		extends += fmt.Sprintf("  s%d: {extends: base}\n", i)
		chain += fmt.Sprintf("  s%d: {extends: s%d}\n", i+1, i)
	}
	var keys strings.Builder
	for i := range 60_000 {
		fmt.Fprintf(&keys, "  s%d: {}\n", i)
	}
	includes := "-- compose.yml --\ninclude: [0.yml]\n"
	for i := range 150 {
		includes += fmt.Sprintf("-- %d.yml --\ninclude: [%d.yml]\n", i, i+1)
	}
	ranges := "services:\n  s0: {image: a}\n"
	for i := range 99 {
		ranges += fmt.Sprintf("  s%d: {extends: s%d, ports: [\"%d-%d:80\"]}\n", i+1, i, 600*i+1, 600*i+100)
	}
	others := ""
	for i := range 20 {
		others += fmt.Sprintf("  s%d: {extends: {file: b.yml, service: b}}\n", i)
	}
	merged := "-- compose.yml --\ninclude: [0.yml]\n"
	for i := range 12 { // each service gets what its file includes of it, and what it extends there
		merged += fmt.Sprintf("-- %d.yml --\ninclude: [%d.yml]\nservices:\n  s0: {labels: {a%d: b}}\n", i, i+1, i)
		for j := range 20 {
			merged += fmt.Sprintf("  s%d: {extends: s%d}\n", j+1, j)
		}
	}
	for _, test := range []struct{ name, archive string }{
		{"ports of services that extend each other", "-- compose.yml --\n" + ranges},
		{"ports of another file", "-- compose.yml --\nservices:\n" + others + "-- b.yml --\nservices: {b: {image: a, ports: [\"1-5000:80\"]}}\n"},
		{"extends of what is included", merged + "-- 12.yml --\nservices: {s0: {image: a}}\n"},
		{"ports", "-- compose.yml --\nservices: {a: {image: x, ports: [\"1-65535\", \"1-65535:1-65535\"]}}\n"},
		{"ports by a variable", "-- .env --\nP=1-65535\n-- compose.yml --\nservices: {a: {image: x, ports: [\"$P\", \"${P}/udp\"]}}\n"},
		{"variables of one line that double", "-- .env --\nA=\"xx\"" + strings.Repeat("A=\"$A$A\"", 100) + "\n-- compose.yml --\nservices: {a: {image: x$A}}\n"},
		{"variables that double without a dollar sign", "-- .env --\nA=\"xx\"" + strings.Repeat(`A="\0044A\0044A"`, 100) + "\n-- compose.yml --\nservices: {a: {image: x$A}}\n"},
		{"extends of a large service", "-- compose.yml --\n" + wide + extends},
		{"a long chain of includes", includes + "-- 150.yml --\n" + wide + "services:\n  a: {labels: *wide}\n  b: {labels: *wide}\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			workspaceOf(t, test.archive)
			if services, err := compose.Load("compose.yml", nil); err != nil || len(services) == 0 {
				t.Errorf("%d services, %v", len(services), err)
			}
		})
	}
	refuse(t, []refused{
		{"a long chain of extends", "-- compose.yml --\n" + chain, "error[invalid-compose]: services extend each other"},
		{"a map", "-- compose.yml --\nservices:\n" + keys.String(), tooLarge},
		{"a large .env file of many includes", "-- compose.yml --\ninclude: [" + strings.Repeat("b.yml, ", 100) + "]\n-- b.yml --\nservices: {}\n-- .env --\n" + strings.Repeat("A=1\n", 10_000), tooLarge},
	})
}

func TestManyServices(t *testing.T) {
	var b strings.Builder
	b.WriteString("-- compose.yml --\nservices:\n  s0: {image: \"app:1\"}\n")
	for i := range 999 {
		fmt.Fprintf(&b, "  s%d: {extends: s%d, environment: {A: b}}\n", i+1, i/20)
	}
	workspaceOf(t, b.String())
	services, err := compose.Load("compose.yml", nil)
	if err != nil || len(services) != 1000 || services[999].Image.Value != "app:1" {
		t.Fatalf("%d services, %v", len(services), err)
	}
}
