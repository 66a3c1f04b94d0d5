package config

import (
	"cmp"
	"maps"
	"path/filepath"

	"gopkg.in/yaml.v3"

	"tagline/config/findings"
)

// readRoot reads the keys that the root file has for all. top may be nil.
func (w *walk) readRoot(top map[string]*yaml.Node) {
	w.leads = w.file != ""
	w.root = &rootFile{file: w.file, unread: w.leads && top == nil}
	if n := top["registry"]; n != nil {
		w.root.said, w.root.saidAt = unreadHost, w.pos(n)
		if text, ok := w.scalar(n, "registry", "a host, such as ghcr.io or localhost:5000"); ok {
			w.root.said = w.registry(text, w.pos(n))
		}
		w.host = cmp.Or(w.host, w.root.said)
	}
	if w.root.unread {
		w.host = cmp.Or(w.host, unreadHost)
	}
	w.root.host = w.host
	w.root.registries = w.registries(top["registries"])
	w.root.policies = w.defaults()
	before := w.findings.all
	maps.Copy(w.root.policies, w.settings(top["policies"]))
	valid := w.findings.all == before
	if locks := w.locks(top["locked"]); valid {
		w.root.locks = locks
	}
	w.readProfiles(top["profiles"])
	w.root.profiles = w.profiles
}

// leaveToRoot reports the keys of another file that only the root file may have. A
// file may name the registry of the root file, so that it can be checked alone.
func (w *walk) leaveToRoot(top *yaml.Node) {
	where := "the root file, and there is none: name it with the first -f, or call it images.yaml"
	switch {
	case w.root.file != "":
		where = "the root file, " + w.root.file
	case isRootName(filepath.Base(w.file)):
		where = "the root file, and there is none: this file is it if the first -f names its folder, " + quote(filepath.ToSlash(filepath.Dir(w.file)))
	}
	for i := 0; i+1 < len(top.Content); i += 2 {
		switch key, value := top.Content[i], top.Content[i+1]; key.Value {
		case "registries", "locked":
			w.report(key, findings.RootOnly, "%s can only be set in %s", key.Value, where)
		case "registry":
			text, ok := w.scalar(value, "registry", "a host, such as ghcr.io or localhost:5000")
			if !ok {
				continue
			}
			host := w.registry(text, w.pos(value))
			w.host = cmp.Or(w.host, host)
			switch {
			case w.root.unread || host == unreadHost:
			case w.root.said == "":
				w.report(key, findings.RootOnly, "registry can only be set in %s", where)
			case !samePlace(host, w.root.said):
				w.report(key, findings.RootOnly, "registry is %s, and %s sets %s for all files; remove it, and write host/repository for images of another registry", quote(text), w.root.saidAt, quote(w.root.said))
			}
		}
	}
}

func (w *walk) registry(text string, pos Pos) string {
	host, err := ParseHost(text)
	if err != nil {
		w.reportAt(pos, findings.InvalidRegistry, "%v", err)
		return unreadHost
	}
	return host
}
