package oci

import (
	"context"
	"fmt"
	"reflect"

	"github.com/google/go-containerregistry/pkg/authn"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// mayMount reports whether go-containerregistry may try to mount the blobs of a
// repository in this one: both must need the same login. Within one registry it
// asks for a token for both repositories, and some token services refuse that
// token to a login that may not read one of them.
func (w *writer) mayMount(ctx context.Context, source repository) bool {
	if source.name.RegistryStr() != w.name.RegistryStr() {
		return true
	}
	login := func(r repository) *authn.AuthConfig {
		auth, err := authn.Resolve(ctx, w.client.options.Keychain, r.name)
		if err != nil {
			return nil
		}
		config, err := authn.Authorization(ctx, auth)
		if err != nil {
			return nil
		}
		return config
	}
	return reflect.DeepEqual(login(source), login(w.repository))
}

// unmounted wraps a manifest so that go-containerregistry transfers its blobs
// and does not try to mount them.
func unmounted(d *remote.Descriptor) (remote.Taggable, error) {
	if d.MediaType.IsIndex() {
		all, err := d.ImageIndex()
		return unmountedIndex{all}, err
	}
	image, err := d.Image()
	return unmountedImage{image}, err
}

// imageIndex is v1.ImageIndex under a name that does not hide its ImageIndex
// method.
type imageIndex = v1.ImageIndex

type unmountedIndex struct{ imageIndex }

func (i unmountedIndex) Image(h v1.Hash) (v1.Image, error) {
	image, err := i.imageIndex.Image(h)
	return unmountedImage{image}, err
}

func (i unmountedIndex) ImageIndex(h v1.Hash) (v1.ImageIndex, error) {
	nested, err := i.imageIndex.ImageIndex(h)
	return unmountedIndex{nested}, err
}

// Layer returns an entry of an index that is neither an image nor an index.
func (i unmountedIndex) Layer(h v1.Hash) (v1.Layer, error) {
	of, ok := i.imageIndex.(interface {
		Layer(h v1.Hash) (v1.Layer, error)
	})
	if !ok {
		return nil, fmt.Errorf("%s is no manifest that tagline copies", h)
	}
	return of.Layer(h)
}

type unmountedImage struct{ v1.Image }

func (i unmountedImage) Layers() ([]v1.Layer, error) {
	layers, err := i.Image.Layers()
	for n, layer := range layers {
		if mountable, ok := layer.(*remote.MountableLayer); ok {
			layers[n] = mountable.Layer
		}
	}
	return layers, err
}
