package compose

import (
	"path"
	"slices"
	"strings"

	"tagline/config"
)

// nearest returns the repository of images.yaml that the name of another one may
// stand for, "" if there is none: its last part is misspelt, or its registry is
// missing or has another port.
func (c *check) nearest(name string) string {
	repository, err := config.ParseRepository(name, dockerHub)
	if err != nil {
		return ""
	}
	at := repository.Place()
	folder, last := path.Split(at.Path)
	var alike, known []string
	for is, image := range c.images {
		switch in, of := path.Split(is.Path); {
		case is.Path == at.Path && withoutPort(is.Host) == withoutPort(at.Host), is.Path == name:
			alike = append(alike, image.Repository.String())
		case is.Host == at.Host && in == folder && len(last) >= minMisspelt:
			known = append(known, of)
		}
	}
	if len(alike) > 0 {
		return slices.Min(alike)
	}
	slices.Sort(known)
	if near := config.Closest(last, known); near != "" {
		return c.images[config.Repository{Host: at.Host, Path: folder + near}].Repository.String()
	}
	return ""
}

// minMisspelt is the length of the shortest name that may be a misspelt one. Too many
// shorter names are alike.
const minMisspelt = 5

// withoutPort drops the port of a host.
func withoutPort(host string) string {
	if colon := strings.LastIndexByte(host, ':'); colon > strings.LastIndexByte(host, ']') {
		return host[:colon]
	}
	return host
}
