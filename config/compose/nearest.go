package compose

import (
	"net/url"
	"path"

	"tagline/config"
)

// minMisspelt is the length of the shortest name that may be a misspelt one. Too many
// shorter names are alike.
const minMisspelt = 5

// nearest returns the repository of images.yaml that the name of another one may
// stand for, "" if there is none: its last part is misspelt, or its registry is
// missing or has another port.
func nearest(images []config.Image, name string) string {
	repository, err := config.ParseRepository(name, dockerHub)
	if err != nil {
		return ""
	}
	at := repository.Place()
	folder, last := path.Split(at.Path)
	host := func(r config.Repository) string { return (&url.URL{Host: r.Host}).Hostname() }
	var alike []string
	names := map[string]string{}
	for _, image := range images {
		is := image.Repository.Place()
		switch in, of := path.Split(is.Path); {
		case is.Path == name, is.Path == at.Path && host(is) == host(at):
			return image.Repository.String()
		case is.Host == at.Host && in == folder && len(last) >= minMisspelt:
			alike = append(alike, of)
			names[of] = image.Repository.String()
		}
	}
	return names[config.Closest(last, alike)]
}
