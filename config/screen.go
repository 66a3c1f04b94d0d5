package config

import (
	"gopkg.in/yaml.v3"

	"tagline/config/findings"
)

// screen reports features of YAML that images.yaml does not allow, at any depth.
func (r *reader) screen(n *yaml.Node, depth int) {
	switch {
	case depth > maxDepth:
		r.refuse(n, findings.TooDeep, "maps and lists are nested more than %d deep", maxDepth)
		return
	case n.Kind == yaml.AliasNode:
		r.refuse(n, findings.YAMLFeature, "YAML alias %s is not supported; write its value out, or put what images share into a profile", quote("*"+n.Value))
		return // into what it names
	case n.Anchor != "":
		r.refuse(n, findings.YAMLFeature, "YAML anchor %s is not supported; remove it, and put what images share into a profile", quote("&"+n.Anchor))
	case n.Style&yaml.TaggedStyle != 0:
		r.refuse(n, findings.YAMLFeature, "YAML tag %s is not supported; remove it", quote(n.Tag))
	case n.Tag == "!!merge":
		r.refuse(n, findings.YAMLFeature, `YAML merge key "<<" is not supported; write its values out, or put what images share into a profile`)
	}
	for _, child := range n.Content {
		r.screen(child, depth+1)
	}
}
