package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2/maybe"
)

// fileWriter checks that a file can be written, and returns the function that
// writes it later. A file is replaced completely or not at all. A device or a pipe
// is written to.
func fileWriter(path string) (func([]byte) error, error) {
	real := path
	if target, err := filepath.EvalSymlinks(path); err == nil {
		real = target // a link stays a link
	}
	info, err := os.Stat(real)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, errors.New("it is a folder; name a file in it")
	case !info.Mode().IsRegular():
		return func(data []byte) error {
			f, err := os.OpenFile(real, os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = f.Write(data)
			return cmp.Or(err, f.Close())
		}, nil
	default:
		f, err := os.OpenFile(real, os.O_WRONLY, 0)
		if err != nil {
			return nil, err
		}
		_ = f.Close()
	}
	probe, err := os.CreateTemp(filepath.Dir(real), ".tagline-*")
	if at := (*fs.PathError)(nil); errors.As(err, &at) {
		return nil, fmt.Errorf("folder %s: %w", filepath.Dir(real), at.Err)
	}
	if err != nil {
		return nil, err
	}
	_ = probe.Close()
	if err := os.Remove(probe.Name()); err != nil {
		return nil, err
	}
	return func(data []byte) error { return maybe.WriteFile(real, data, 0o666) }, nil
}

// absolute returns one name for a file, from any folder and through any links.
func absolute(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return filepath.Clean(path)
}
