package oci

import (
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// copied is a manifest as go-containerregistry gets it to copy: with all that it
// lists, read once, and without its foreign layers, which are copied before.
type copied struct {
	mount   bool            // blobs may be mounted
	foreign []v1.Descriptor // of all its images
}

// manifest adds a manifest.
func (c *copied) manifest(d *remote.Descriptor) (remote.Taggable, error) {
	if d.MediaType.IsIndex() {
		all, err := d.ImageIndex()
		if err != nil {
			return nil, err
		}
		return c.index(all)
	}
	image, err := d.Image()
	if err != nil {
		return nil, err
	}
	return c.image(image)
}

func (c *copied) index(all v1.ImageIndex) (v1.ImageIndex, error) {
	m, err := all.IndexManifest()
	if err != nil {
		return nil, err
	}
	index := copiedIndex{imageIndex: all, mount: c.mount, images: map[v1.Hash]v1.Image{}, indexes: map[v1.Hash]v1.ImageIndex{}}
	for _, d := range m.Manifests {
		switch {
		case d.MediaType.IsIndex():
			nested, err := all.ImageIndex(d.Digest)
			if err != nil {
				return nil, err
			}
			if index.indexes[d.Digest], err = c.index(nested); err != nil {
				return nil, err
			}
		case d.MediaType.IsImage():
			image, err := all.Image(d.Digest)
			if err != nil {
				return nil, err
			}
			if index.images[d.Digest], err = c.image(image); err != nil {
				return nil, err
			}
		}
	}
	return index, nil
}

func (c *copied) image(image v1.Image) (v1.Image, error) {
	m, err := image.Manifest()
	if err != nil {
		return nil, err
	}
	foreign := map[v1.Hash]bool{}
	for _, layer := range m.Layers {
		if isForeign(layer) && !foreign[layer.Digest] {
			foreign[layer.Digest] = true
			c.foreign = append(c.foreign, layer)
		}
	}
	return copiedImage{Image: image, mount: c.mount, foreign: foreign}, nil
}

// imageIndex is v1.ImageIndex under a name that does not hide its ImageIndex
// method.
type imageIndex = v1.ImageIndex

type copiedIndex struct {
	imageIndex
	mount   bool
	images  map[v1.Hash]v1.Image
	indexes map[v1.Hash]v1.ImageIndex
}

func (i copiedIndex) Image(h v1.Hash) (v1.Image, error) { return i.images[h], nil }

func (i copiedIndex) ImageIndex(h v1.Hash) (v1.ImageIndex, error) { return i.indexes[h], nil }

// Layer returns an entry of an index that is neither an image nor an index.
func (i copiedIndex) Layer(h v1.Hash) (v1.Layer, error) {
	of, ok := i.imageIndex.(interface {
		Layer(h v1.Hash) (v1.Layer, error)
	})
	if !ok {
		return nil, fmt.Errorf("%s is no manifest that tagline copies", h)
	}
	layer, err := of.Layer(h)
	return mounted(layer, i.mount), err
}

type copiedImage struct {
	v1.Image
	mount   bool
	foreign map[v1.Hash]bool
}

func (i copiedImage) Layers() ([]v1.Layer, error) {
	layers, err := i.Image.Layers()
	var own []v1.Layer
	for _, layer := range layers {
		digest, err := layer.Digest()
		if err != nil {
			return nil, err
		}
		if !i.foreign[digest] {
			own = append(own, mounted(layer, i.mount))
		}
	}
	return own, err
}

func (i copiedImage) ConfigLayer() (v1.Layer, error) {
	layer, err := partial.ConfigLayer(i.Image)
	return mounted(layer, i.mount), err
}
