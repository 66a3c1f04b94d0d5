package oci

import (
	"context"
	"fmt"
	"net/http"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"tagline/reconcile/oci/transport"
)

// isForeign reports whether a registry may do without a layer: it has URLs, or a
// media type that says so (OCI image-spec 1.1, "Non-Distributable Layers";
// distribution, image manifest version 2 schema 2).
func isForeign(layer v1.Descriptor) bool {
	return len(layer.URLs) > 0 || !layer.MediaType.IsDistributable()
}

// copyForeign copies the foreign layers that the source holds. The others stay URLs,
// which go-containerregistry would not leave alone: it loads what it may copy from
// the URL. A layer that is nowhere is an error.
func (w *writer) copyForeign(ctx context.Context, source repository, layers []v1.Descriptor) error {
	for _, layer := range layers {
		there, err := w.holds(ctx, w.repository, layer.Digest)
		if there || err != nil {
			if err != nil {
				return w.failure("blob "+w.subject(layer.Digest.String()), err)
			}
			continue
		}
		held, err := w.holds(ctx, source, layer.Digest)
		switch {
		case err != nil:
			return source.failure("blob "+source.subject(layer.Digest.String()), err)
		case held:
			err := w.upload(ctx, source, layer.Digest)
			if err != nil && (len(layer.URLs) == 0 || !isWithheld(err)) {
				return w.failure("copy blob "+source.subject(layer.Digest.String())+" to "+w.String(), err)
			}
		case len(layer.URLs) == 0:
			return fmt.Errorf("copy to %s: blob %s: it is not there, and the layer has no URL", w, source.subject(layer.Digest.String()))
		}
	}
	return nil
}

// holds reports whether a repository has a blob.
func (w *writer) holds(ctx context.Context, in repository, digest v1.Hash) (bool, error) {
	layer, err := w.client.puller.Layer(ctx, in.name.Digest(digest.String()))
	if err != nil {
		return false, err
	}
	return partial.Exists(layer)
}

// isWithheld reports whether a source says that it has a blob, and does not give
// it. Amazon ECR gives none that no image has (API_GetDownloadUrlForLayer,
// LayerInaccessibleException); whether an image has a layer with URLs is unknown.
func isWithheld(err error) bool {
	status := transport.StatusOf(err)
	return status != nil && status.StatusCode == http.StatusNotFound && status.Request != nil &&
		status.Request.Method == http.MethodGet && transport.RouteOf(status.Request).Resource == "blobs"
}

// upload copies a blob, whatever type a manifest gives it.
func (w *writer) upload(ctx context.Context, source repository, digest v1.Hash) error {
	ref := source.name.Digest(digest.String())
	layer, err := w.writers.source.Layer(ctx, ref)
	if err != nil {
		return err
	}
	if w.mayMount(ctx, source) {
		layer = &remote.MountableLayer{Layer: layer, Reference: ref}
	}
	return w.writers.pusher.Load().Upload(ctx, w.name, layer)
}
