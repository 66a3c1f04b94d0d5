package compose

import (
	"regexp"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"tagline/config"
	"tagline/config/findings"
)

// What a project may take at most. No file that people write is refused.
const (
	maxFileBytes = 1 << 20
	maxEnvBytes  = 64 << 10
	maxFiles     = 200
	maxPaths     = 10_000 // of files
	maxDepth     = 100
	maxValues    = 50_000  // of one file, with its YAML aliases written out
	portValues   = 4       // for which a port of a range counts
	maxKeys      = 10_000  // of one map: compose-go compares each key with each other
	maxResets    = 200     // "!reset" and "!override" of one file
	maxWork      = 300_000 // values of all files, each as often as it is included or extended
)

// bound counts the values that compose-go is going to copy. Small files can ask
// for a lot: ten that each include the next one twice are a thousand.
func (p *project) bound(at config.Pos) {
	work, sizes := 0.0, map[*source]float64{}
	for _, s := range p.order {
		work += float64(s.loads) * p.size(s, sizes)
	}
	if work > maxWork && !p.stopped {
		p.stopped = true
		p.report(at, findings.TooMuch, "more than %d values, each as often as it is included or extended", maxWork)
	}
}

// size is a bound of the values of a file with all that it includes and extends:
// each service that extends one of the file may get all that this one has.
func (p *project) size(s *source, sizes map[*source]float64) float64 {
	if _, done := sizes[s]; !done {
		sizes[s] = 0
		shared, extended := float64(portValues*s.ports), 0.0
		for other, times := range s.included {
			shared += float64(times) * p.size(other, sizes)
		}
		for other, times := range s.extended {
			extended += float64(times) * (float64(other.values) + float64(portValues*other.ports)*float64(1+other.extends))
		}
		sizes[s] = float64(s.values) + shared*float64(1+s.extends) + extended*float64(1+s.through)
	}
	return sizes[s]
}

// weigh adds the values that a service gets from others of the file.
func (s *source) weigh(root *yaml.Node, services map[string]service, each service) {
	for steps := 0; s.values <= maxWork; steps++ {
		base, file := base(each.value)
		switch {
		case base == "":
			return
		case file:
			s.through += min(steps, 1)
			return
		case steps == 0:
			s.extends++
		case steps > maxDepth:
			s.fail(each.key, findings.InvalidCompose, "services extend each other, or more than %d in a row", maxDepth)
			return
		}
		if each = services[base]; strings.Contains(base, "$") { // it may be any
			each = service{value: root}
		}
		s.values += s.sizes[each.value]
	}
}

var portRange = regexp.MustCompile(`(\d+)-(\d+)`)

// portsOf counts the ports of a range: compose-go makes a map of each.
func (p *project) portsOf(value string) (any, error) {
	for _, m := range portRange.FindAllStringSubmatch(value, -1) {
		from, _ := strconv.Atoi(m[1])
		to, _ := strconv.Atoi(m[2])
		for _, s := range p.order {
			if s.texts[p.last.Written] != nil {
				s.ports += min(max(0, to-from), 1<<16)
			}
		}
		p.bound(p.where(p.last.Written))
	}
	return value, p.refused()
}
