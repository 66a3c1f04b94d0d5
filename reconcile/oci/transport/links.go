package transport

import (
	"net/http"
	"regexp"
	"strings"
)

var (
	link     = regexp.MustCompile(`<([^<>]*)>((?:[^,"]|"[^"]*")*)`) // an address, and its parameters
	relation = regexp.MustCompile(`(?i);\s*rel\s*=\s*(?:"([^"]*)"|([^\s;,"]+))`)
)

// Links are the addresses of an answer's Link headers, by their relation: "next"
// (RFC 8288). Of two with the same relation, the first counts.
func Links(header http.Header) map[string]string {
	links := map[string]string{}
	for _, found := range link.FindAllStringSubmatch(strings.Join(header.Values("Link"), ", "), -1) {
		relations := relation.FindStringSubmatch(found[2])
		if relations == nil {
			continue
		}
		for _, name := range strings.Fields(strings.ToLower(relations[1] + relations[2])) {
			if _, known := links[name]; !known {
				links[name] = found[1]
			}
		}
	}
	return links
}
