package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"tagline/config"
	"tagline/policies"
	"tagline/reconcile"
	"tagline/reconcile/report"
)

// drafted is where drafts go: stdout, a new file, or one that has images.
type drafted struct {
	path    string
	put     func([]byte) error
	before  []byte // what the file has
	options config.Options
	host    string                           // of images that name none
	has     map[config.Repository]config.Pos // by their place
}

// openDraft checks that the file can be written or added to, before any registry is
// asked.
func (a *app) openDraft(path string) (*drafted, error) {
	if path == "" || path == "-" {
		return &drafted{put: func(text []byte) error { _, err := a.stdout.Write(text); return err }}, nil
	}
	d := &drafted{path: path, options: config.Options{Policies: policies.Keys()}, has: map[config.Repository]config.Pos{}}
	failed := func(err error) error { return fmt.Errorf("--output: %s: %w", path, err) }
	put, err := fileWriter(path)
	if err != nil {
		return nil, failed(err)
	}
	d.put = func(text []byte) error {
		if err := put(text); err != nil {
			return failed(err)
		}
		return nil
	}
	if info, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
		return d, nil
	}
	if d.before, err = readFile(path, config.MaxBytes); err != nil {
		return nil, failed(err)
	}
	if len(bytes.TrimSpace(d.before)) == 0 {
		d.before = nil
		return d, nil
	}
	cfg, err := config.Parse(path, d.before, d.options)
	if err != nil && a.registry != "" { // the file may leave the host to --registry
		d.options.Registry, d.options.RegistryFrom = a.registry, a.registryFrom
		cfg, err = config.Parse(path, d.before, d.options)
	}
	added, refused := config.AddImages(d.before, standIn)
	if err != nil && refused == nil { // it may lack images alone
		if with, bad := config.Parse(path, added, d.options); bad == nil {
			cfg, err = with, nil
		}
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("--output: %s is no images.yaml that can be added to, so nothing is written: %w", path, firstOf(err))
	case refused != nil:
		return nil, failed(fmt.Errorf("images can't be added, so nothing is written: %w, or leave --output out, and copy from what init prints", refused))
	}
	d.host = cfg.Registry
	for _, l := range cfg.Listed {
		if !strings.HasPrefix(standIn, l.Name+":") {
			d.has[l.Repository.Place()] = l.Pos
		}
	}
	return d, nil
}

// standIn is an image for a file that has none yet.
const standIn = "registry.invalid/stand-in: {aliases: {latest: 1.0}}\n"

// write writes the drafts, behind what the file has.
func (d *drafted) write(drafts []reconcile.Draft) error {
	if d.before == nil {
		var text bytes.Buffer
		if err := report.Drafts(&text, drafts); err != nil {
			return err
		}
		return d.put(text.Bytes())
	}
	text, differ, err := d.merge(drafts, false)
	if err == nil && differ {
		text, _, err = d.merge(drafts, true)
	}
	if err != nil {
		return fmt.Errorf("--output: %s: nothing is written: %w", d.path, err)
	}
	return d.put(text)
}

// merge returns the file with the drafts. differ reports whether the file's own
// policies would take drafted aliases out of sync.
func (d *drafted) merge(drafts []reconcile.Draft, explicit bool) (text []byte, differ bool, err error) {
	text, err = config.AddImages(d.before, report.DraftEntries(drafts, d.host, explicit))
	if err != nil {
		return nil, false, err
	}
	cfg, err := config.Parse(d.path, text, d.options)
	if err != nil {
		return nil, false, firstOf(err)
	}
	if len(cfg.Listed) != len(d.has)+len(drafts) {
		return nil, false, errors.New("images can't be added where they belong; add them by hand")
	}
	for _, draft := range drafts {
		inSync := len(draft.Aliases) > 0
		i := slices.IndexFunc(cfg.Images, func(image config.Image) bool { return image.Repository == draft.Repository })
		if i < 0 {
			return nil, false, errors.New("images can't be added where they belong; add them by hand")
		}
		for _, name := range []string{policies.Companions.Name, policies.Provenance.Name} {
			setting, set := cfg.Images[i].Policies[name]
			differ = differ || inSync && set && setting.Value != "keep" && !slices.Contains(draft.Dropped, name)
		}
	}
	return text, differ, nil
}

// firstOf is the first line of an error, and how many more there are.
func firstOf(err error) error {
	first, rest, _ := strings.Cut(err.Error(), "\n")
	if rest != "" {
		first += fmt.Sprintf("; and %d more", strings.Count(rest, "\n")+1)
	}
	return errors.New(first)
}
