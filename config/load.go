package config

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"gopkg.in/yaml.v3"

	"tagline/config/findings"
)

// Load reads the files of images.yaml by the names that -f has: files, folders, and
// [Stdin] for standard input. The first file, or images.yaml in the first folder, is the
// root file. If one of the files has problems, the others are checked all the same.
//
// The error is as that of [Parse], or those of the system for all files and folders
// that are named and can't be read.
func Load(names []string, opts Options) (*Config, error) {
	files, problems := find(names)
	l := &loading{opts: opts, parts: make([]part, len(files)), problems: problems}
	rest := files
	if len(files) > 0 && files[0].root {
		l.read(0, files[0], new(bytes.Buffer))
		rest = files[1:]
	} else {
		l.noRoot()
	}
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(rest)) {
		workers.Go(func() {
			var buffer bytes.Buffer
			for i := next.Add(1) - 1; i < int64(len(rest)); i = next.Add(1) - 1 {
				l.read(len(files)-len(rest)+int(i), rest[i], &buffer)
			}
		})
	}
	workers.Wait()
	var unread []error
	for _, p := range l.parts {
		unread = append(unread, p.err)
	}
	if err := errors.Join(unread...); err != nil {
		return nil, err
	}
	return l.config()
}

// Parse reads an images.yaml. file is its name in positions.
//
// The error is a [*multierror.Error] with the problems, each a [*Finding], in the
// order of their positions. After the first hundred, one Finding counts the rest.
func Parse(file string, data []byte, opts Options) (*Config, error) {
	l := &loading{opts: opts, parts: make([]part, 1)}
	l.parse(0, file, data)
	return l.config()
}

// loading is one call of Load or Parse.
type loading struct {
	opts     Options
	root     *rootFile
	parts    []part // by file, the root file first
	problems found  // of no file's content
}

// part is what a file says.
type part struct {
	name, relative string
	size           int
	sum            [sha256.Size]byte
	images         []known
	problems       found
	warnings       found
	repeats        repeats
	profiles       []*profile // its own
	used           map[*profile]bool
	hosts          map[string]bool // of its images and of sources
	err            error
}

// read reads a file into its part.
func (l *loading) read(i int, f file, buffer *bytes.Buffer) {
	p := &l.parts[i]
	p.name, p.relative = f.name, f.relative
	buffer.Reset()
	switch err := f.read(buffer, l.opts.Once); {
	case err == nil:
		l.parse(i, f.name, buffer.Bytes())
		return
	case f.named:
		p.err = err
	default:
		p.problems.add(&Finding{ID: findings.UnreadableFile, Pos: Pos{File: f.name}, Message: fmt.Sprintf("file can't be read: %v", cause(err))})
	}
	if f.root {
		w := l.walk(f.name)
		w.readRoot(nil)
		l.root = w.root
	}
}

// read reads a file up to one byte above the limit, since it may be an endless
// device or pipe.
func (f file) read(to *bytes.Buffer, once func(string) ([]byte, error)) error {
	if f.err != nil {
		return f.err
	}
	if f.once && once != nil {
		data, err := once(cmp.Or(f.path, Stdin))
		_, _ = to.Write(data) // never fails
		return err
	}
	if f.path == "" {
		return nil
	}
	opened, err := os.Open(f.path)
	if err != nil {
		return err
	}
	defer func() { _ = opened.Close() }()
	_, err = to.ReadFrom(io.LimitReader(opened, MaxBytes+1))
	return err
}

// walk begins to walk a file.
func (l *loading) walk(file string) *walk {
	w := &walk{
		reader: reader{file: file, policies: l.opts.Policies, refused: map[*yaml.Node]bool{}},
		keep:   l.opts.Keep, root: l.root, alone: len(l.parts) == 1,
		places: places{}, repeats: repeats{}, hosts: map[string]bool{},
	}
	switch {
	case l.root != nil:
		w.host, w.profiles = l.root.host, l.root.profiles
	case l.opts.Registry != "":
		w.host = w.registry(l.opts.Registry, l.hostPos())
	}
	return w
}

// hostPos returns where the host of repositories without one is named.
func (l *loading) hostPos() Pos {
	if l.opts.Registry != "" {
		return Pos{File: cmp.Or(l.opts.RegistryFrom, "--registry")}
	}
	return l.root.saidAt
}

// parse walks a file into its part. The first one is the root file, unless there is
// none.
func (l *loading) parse(i int, file string, data []byte) {
	w := l.walk(file)
	p := &l.parts[i]
	p.name, p.size, p.sum = file, len(data), sha256.Sum256(data)
	if top := w.document(data); top != nil {
		p.images = w.images(top)
	}
	if w.root == nil {
		w.readRoot(nil)
	}
	if l.root == nil {
		l.root = w.root
	}
	p.problems, p.warnings = w.findings, w.warnings
	p.repeats, p.profiles, p.used, p.hosts = w.repeats, w.ownProfiles, w.used, w.hosts
}

// noRoot is for files without a root file.
func (l *loading) noRoot() {
	w := l.walk("")
	w.readRoot(nil)
	l.root = w.root
	l.problems.join(w.findings)
}

// config puts the parts together.
func (l *loading) config() (*Config, error) {
	order := make(map[string]int, len(l.parts))
	var all []*known
	for i, p := range l.parts {
		order[p.name] = i + 1
		for k := range p.images {
			all = append(all, &p.images[k])
		}
	}
	w := l.walk("")
	w.findings, w.warnings.order = l.problems, order
	w.findings.order = order
	for _, p := range l.parts {
		w.findings.join(p.problems)
		w.warnings.join(p.warnings)
	}
	w.relate(all)
	for _, p := range l.parts {
		w.repeats.join(p.repeats)
	}
	for f := range w.repeats.findings() {
		w.findings.add(f)
	}
	if err := w.findings.err(); err != nil {
		return nil, err
	}
	for _, f := range l.unused() {
		w.warnings.add(f)
	}
	for _, f := range l.unusedHosts() {
		w.warnings.add(f)
	}
	cfg := &Config{
		SHA256: l.sum(), Registry: l.root.host, HostPos: l.hostPos(), Registries: l.root.registries, registriesAt: l.root.hosts,
		Files: len(l.parts), Listed: make([]Listed, len(all)), Warnings: w.warnings.told(),
	}
	for name, lock := range l.root.locks {
		if cfg.Locked == nil {
			cfg.Locked = map[string]Pos{}
		}
		cfg.Locked[name] = lock.at
	}
	for i, k := range all {
		cfg.Listed[i] = k.Listed
		if k.image != nil {
			cfg.Images = append(cfg.Images, *k.image)
		}
	}
	return cfg, nil
}

// sum returns the SHA-256 of a single file, or one of the names and contents of
// all: of the root file, then of the others by name.
func (l *loading) sum() string {
	if len(l.parts) == 1 {
		return hex.EncodeToString(l.parts[0].sum[:])
	}
	parts := slices.Clone(l.parts)
	if l.root.file != "" {
		parts = parts[1:]
	}
	slices.SortFunc(parts, func(a, b part) int {
		return cmp.Or(strings.Compare(a.relative, b.relative), bytes.Compare(a.sum[:], b.sum[:]))
	})
	if l.root.file != "" {
		parts = append([]part{l.parts[0]}, parts...)
	}
	all := sha256.New()
	for _, p := range parts {
		_, _ = fmt.Fprintf(all, "%q %d %x\n", p.relative, p.size, p.sum)
	}
	return hex.EncodeToString(all.Sum(nil))
}

// unused warns of the profiles that no image uses.
func (l *loading) unused() []*Finding {
	reached := map[*profile]bool{}
	var reach func(p *profile)
	reach = func(p *profile) {
		if !reached[p] {
			reached[p] = true
			for _, next := range p.uses {
				reach(next)
			}
		}
	}
	for _, part := range l.parts {
		for p := range part.used {
			reach(p)
		}
	}
	var all []*Finding
	for _, part := range l.parts {
		for _, p := range part.profiles {
			if !reached[p] {
				all = append(all, &Finding{ID: findings.UnusedProfile, Warning: true, Pos: p.pos,
					Message: fmt.Sprintf("no image uses profile %s; use it, or remove it", quote(p.name))})
			}
		}
	}
	return all
}

// unusedHosts warns of the hosts in registries that no image and no source is on, and
// of those whose settings miss some, which have another name of the host. The registry
// of the root file is in use in any case: --registry may have replaced it.
func (l *loading) unusedHosts() []*Finding {
	used := map[string]bool{}
	for _, part := range l.parts {
		maps.Copy(used, part.hosts)
	}
	var others []string // that registries does not have
	for _, host := range slices.Sorted(maps.Keys(used)) {
		if _, said := l.root.hosts[host]; !said && host != unreadHost && host != nowhere.Host {
			others = append(others, host)
		}
	}
	var all []*Finding
	for host, pos := range l.root.hosts {
		warn := func(format string, args ...any) {
			all = append(all, &Finding{ID: findings.UnusedRegistry, Warning: true, Pos: pos, Message: fmt.Sprintf(format, args...)})
		}
		missed := slices.DeleteFunc(slices.Clone(others), func(other string) bool { return !samePlace(host, other) })
		switch {
		case len(missed) > 0:
			warn("settings of %s have no effect on %s, which may be the same registry; write one host everywhere, or settings for each",
				host, strings.Join(missed, " and "))
		case !used[host] && host != l.root.said:
			warn("no image and no source is on %s%s", host, cmp.Or(didYouMean(host, others), "; correct the host, or remove it"))
		}
	}
	return all
}
