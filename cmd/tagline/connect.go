package main

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"

	"github.com/spf13/cobra"

	"tagline/config"
	"tagline/reconcile/ecr"
	"tagline/reconcile/kinds"
	"tagline/reconcile/oci"
	"tagline/reconcile/oci/transport"
)

// connectionFlags are the flags of the commands that ask registries.
func (a *app) connectionFlags(c *cobra.Command) {
	a.registryFlag(c)
	c.Flags().StringArrayVar(&a.insecure, "insecure-registry", nil, "accept any certificate of this `HOST[:PORT]`, and plain http if it speaks no https, as Docker's insecure-registries does; no CIDR; plain http on loopback needs no flag (repeatable)")
	c.Flags().IntVar(&a.concurrency, "concurrency", oci.DefaultConcurrency, "requests in flight per registry host, unless images.yaml says another number for the host")
}

// patience is how long tagline waits for registries. Tests shorten it.
var patience transport.Patience

// client returns a client that reads the registries of the images: ECR through
// the AWS API, all others over HTTP.
func (a *app) client(images ...config.Image) *kinds.Client {
	options := ecr.Options{
		OCI: oci.Options{
			Concurrency: a.concurrency,
			Insecure:    a.insecure,
			UserAgent:   "tagline/" + version,
			Logger:      a.logger(),
			Patience:    patience,
		},
		PushRate: a.ecrPushRate,
	}
	for _, image := range images {
		options.Repositories = append(options.Repositories, image.Repository)
	}
	return kinds.New(options, a.registries())
}

// registries is what images.yaml says of hosts. A command that needs no
// images.yaml still reads it, if it is there, for this.
func (a *app) registries() map[string]config.Registry {
	if a.said == nil && len(a.files) > 0 {
		none := func(config.Image) bool { return false }
		if _, err := a.load(none); err != nil {
			level := slog.LevelWarn // it may say how to log in
			if errors.Is(err, fs.ErrNotExist) {
				level = slog.LevelDebug
			}
			a.logger().Log(context.Background(), level, "images.yaml says nothing of registries", "reason", err.Error())
		}
	}
	return a.said
}
