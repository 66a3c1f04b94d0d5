// Package journal keeps a history of tags in a file: one line of JSON for each tag
// that a run moved, made or deleted. No run needs the file.
package journal

import (
	"time"

	"tagline/config"
	"tagline/reconcile"
	"tagline/reconcile/registry"
)

// Version is the version of the format of a line. A minor version only adds fields.
const Version = "1.0"

// What a run does to a tag.
const (
	Pushed   = "push"
	Deleted  = "delete"
	Restored = "restore" // from a trash
)

// Move is what a run did to one tag.
type Move struct {
	Time       time.Time
	Run        string // id of the run, which its trash has too
	By         By
	Repository config.Repository
	Tag        string
	Action     string // one of the constants above
	Old        string // digest that the tag named before, "" if there was no such tag
	New        string // digest that it names since, "" if there is no such tag
	Reason     string // why a tag was deleted, in words
	Platforms  []Platform
}

// By says who did it. In CI that is an address and a commit, else a user.
type By struct {
	URL    string `json:"url,omitempty"`    // of the CI job
	Commit string `json:"commit,omitempty"` // of images.yaml; on a pull request, its head
	User   string `json:"user,omitempty"`   // user@host
}

// Platform is one image of a tag, before and after.
type Platform struct {
	Platform     string `json:"platform,omitempty"`      // see [reconcile.PlatformChange]; "" for an artifact
	Source       string `json:"source,omitempty"`        // as images.yaml spells it; "" if the tag lost the platform
	Origin       string `json:"origin,omitempty"`        // the source of the alias that Source names; "" if it names none
	SourceDigest string `json:"source_digest,omitempty"` // what Source named
	Digest       string `json:"digest,omitempty"`        // of the image; "" if the tag lost the platform
	OldSource    string `json:"old_source,omitempty"`    // "" if it is not known
	OldDigest    string `json:"old_digest,omitempty"`    // "" if the tag did not have the platform
}

// Version returns the source from which the image came, through an alias.
func (p Platform) Version() string {
	if p.Origin != "" {
		return p.Origin
	}
	return p.Source
}

// Moves returns what a run did to the tags of a repository: what the registry
// confirmed, and nothing that another run had done.
func Moves(plan reconcile.Plan, result reconcile.Result) []Move {
	var all []Move
	for i, o := range result.Pushed {
		if o.Err != nil || o.Already {
			continue
		}
		p := plan.Pushes[i]
		m := Move{Repository: plan.Repository, Tag: p.Tag, Action: Pushed, Old: p.Old, New: p.New}
		for _, c := range p.Platforms {
			m.Platforms = append(m.Platforms, Platform{c.Platform, c.Source, c.Origin, c.SourceDigest, c.Digest, c.OldSource, c.OldDigest})
		}
		all = append(all, m)
	}
	for i, o := range result.Deleted {
		if o.Err == nil && !o.Already {
			d := plan.DeleteTags[i]
			all = append(all, Move{Repository: plan.Repository, Tag: d.Tag, Action: Deleted, Old: d.Old, Reason: d.Reason})
		}
	}
	return all
}

// Restores returns what restore did to the tags of a repository.
func Restores(lost reconcile.Lost, restored reconcile.Restored) []Move {
	var all []Move
	for _, t := range restored.Tags {
		if t.Err != nil || t.Blocked != "" || t.Already {
			continue
		}
		all = append(all, Move{
			Repository: restored.Repository, Tag: t.Tag, Action: Restored, Old: t.Was, New: t.Digest, Platforms: platforms(lost.Manifest(t.Digest)),
		})
	}
	return all
}

// platforms returns the images that an index lists, or nothing.
func platforms(raw registry.RawManifest) []Platform {
	m, err := registry.ParseManifest(raw)
	if err != nil {
		return nil
	}
	var all []Platform
	for _, d := range m.Children {
		if p := registry.PlatformOf(d.Platform); p.OS != "" && p.OS != "unknown" && !registry.MarksArtifact(d) && registry.RefersTo(d) == "" {
			all = append(all, Platform{Platform: p.Normal().String(), Source: d.Annotations[reconcile.AnnotationSource], Digest: d.Digest.String()})
		}
	}
	return all
}
