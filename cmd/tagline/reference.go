package main

import (
	"errors"
	"io/fs"

	"tagline/config"
)

// reference resolves REF.
func (a *app) reference(text string, named bool) (ref config.Source, err error) {
	err = a.onRegistry(named, func(host string) error {
		ref, err = config.ParseReference(text, host)
		return err
	})
	return ref, err
}

// onRegistry parses what may lack a host. Without --registry, the registry is the one
// of images.yaml. If -f names an images.yaml, it must exist in any case.
func (a *app) onRegistry(named bool, parse func(host string) error) error {
	err := parse(a.registry)
	if err == nil && !named {
		return nil
	}
	cfg, unread := a.load(func(config.Image) bool { return false })
	switch {
	case errors.Is(unread, fs.ErrNotExist) && !named:
		return err
	case unread != nil:
		return unread
	}
	return parse(cfg.Registry)
}

// repository resolves REPOSITORY, as reference does REF.
func (a *app) repository(text string, named bool) (repository config.Repository, err error) {
	err = a.onRegistry(named, func(host string) error {
		repository, err = config.ParseRepository(text, host)
		return err
	})
	return repository, err
}
