package trash

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"tagline/config"
	"tagline/reconcile"
	"tagline/reconcile/registry"
)

// formatVersion is the version of a file's format. Minor versions only add
// fields.
const formatVersion = "1.0"

// file is a [reconcile.Record] as it is stored.
type file struct {
	FormatVersion string     `json:"format_version"`
	Run           string     `json:"run"`
	Job           string     `json:"job,omitempty"`
	Time          time.Time  `json:"time"`
	Repository    string     `json:"repository"`
	Manifests     []manifest `json:"manifests"`
}

type manifest struct {
	Digest    string `json:"digest"`
	MediaType string `json:"media_type"`
	Body      []byte `json:"body"` // in base64, since a JSON string can't hold all bytes
	Tags      []tag  `json:"tags,omitempty"`
	Reason    string `json:"reason,omitempty"`
}

type tag struct {
	Tag string `json:"tag"`
	New string `json:"new,omitempty"`
}

func encode(w io.Writer, r reconcile.Record) error {
	f := file{FormatVersion: formatVersion, Run: r.Run, Job: r.Job, Time: r.Time, Repository: r.Repository.String()}
	for _, k := range r.Kept {
		m := manifest{Digest: k.Manifest.Digest, MediaType: k.Manifest.MediaType, Body: k.Manifest.Body, Reason: k.Reason}
		for _, t := range k.Tags {
			m.Tags = append(m.Tags, tag{t.Tag, t.New})
		}
		f.Manifests = append(f.Manifests, m)
	}
	return json.NewEncoder(w).Encode(f)
}

// decode checks everything, since a run may push the result.
func decode(from *json.Decoder) (reconcile.Record, error) {
	var f file
	if err := from.Decode(&f); err != nil {
		return reconcile.Record{}, fmt.Errorf("it is damaged: %w", err)
	}
	if from.More() {
		return reconcile.Record{}, errors.New("it is damaged: something follows the record")
	}
	if major, _, _ := strings.Cut(f.FormatVersion, "."); major != "1" {
		return reconcile.Record{}, fmt.Errorf("its format is %q, which this version of tagline can't read", f.FormatVersion)
	}
	repository, err := config.ParseRepository(f.Repository, "")
	if err != nil || repository.String() != f.Repository {
		return reconcile.Record{}, fmt.Errorf("%q is no repository", f.Repository)
	}
	r := reconcile.Record{Run: f.Run, Job: f.Job, Time: f.Time, Repository: repository}
	for _, m := range f.Manifests {
		k := reconcile.Kept{Manifest: registry.RawManifest{Digest: m.Digest, MediaType: m.MediaType, Body: m.Body}, Reason: m.Reason}
		d, err := digest.Parse(m.Digest)
		if err != nil || d.Algorithm().FromBytes(m.Body) != d {
			return reconcile.Record{}, fmt.Errorf("what it has is not the manifest %q", m.Digest)
		}
		for _, t := range m.Tags {
			if err := config.CheckTag(t.Tag); err != nil {
				return reconcile.Record{}, err
			}
			if t.New != "" && digest.Digest(t.New).Validate() != nil {
				return reconcile.Record{}, fmt.Errorf("%q is no digest", t.New)
			}
			k.Tags = append(k.Tags, reconcile.KeptTag{Tag: t.Tag, New: t.New})
		}
		r.Kept = append(r.Kept, k)
	}
	return r, nil
}
