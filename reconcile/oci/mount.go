package oci

import (
	"context"

	"github.com/google/go-containerregistry/pkg/authn"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// mayMount reports whether go-containerregistry may try to mount the blobs of a
// repository in this one: both must have the same login, and it must be known. Within
// one registry it asks for a token for both repositories, and some token services
// refuse that token to a login that may not read one of them.
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
	from, to := login(source), login(w.repository)
	return from != nil && to != nil && *from == *to
}

// mounted returns a layer that go-containerregistry mounts, or one that it moves.
func mounted(layer v1.Layer, mount bool) v1.Layer {
	if mountable, ok := layer.(*remote.MountableLayer); ok && !mount {
		return mountable.Layer
	}
	return layer
}
