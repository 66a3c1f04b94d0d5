package main

import (
	"fmt"
	"strings"

	"tagline/config"
	"tagline/reconcile/report"
)

// named reports whether a text names an image.
type named func(name string, repository config.Repository) bool

// nameOf returns what a text such as --image names: an image by its name in
// images.yaml, or by its repository, under any name of its host.
func nameOf(text string) named {
	repository, err := config.ParseRepository(text, "")
	place := repository.Place()
	return func(name string, of config.Repository) bool {
		return text == name || err == nil && of.Path == place.Path && of.Place() == place
	}
}

// some lists the names of the images. Of more than 20, it gives their number, and the
// name nearest to the given one.
func some(name string, images []config.Listed) string {
	var names []string
	for _, l := range images {
		names = append(names, l.Name)
	}
	switch near := config.Closest(name, names); {
	case len(names) <= 20:
		return strings.Join(names, ", ")
	case near != "":
		return fmt.Sprintf("%s; did you mean %q?", report.Count(len(names), "image"), near)
	}
	return report.Count(len(names), "image")
}
