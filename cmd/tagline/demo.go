package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tagline/config"
	"tagline/policies"
	"tagline/reconcile/demo"
)

func (a *app) demoCommand() *cobra.Command {
	var files []string
	var port int
	var keep, onECR bool
	c := &cobra.Command{
		Use:   "demo",
		Short: "Do the main job on an embedded registry with sample images",
		Long: `Do the main job on an embedded registry with sample images.

The registry listens on loopback and keeps everything in memory.
It holds two releases as docker buildx pushes them: 10.10 for amd64 and 10.20
for arm64, each with its provenance. With --ecr it is an Amazon ECR, and the
job is to purge the untagged images that provenance leaves there.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if port < 0 || port > 65535 {
				return fmt.Errorf("--port is %d, not 0 to 65535", port)
			}
			if len(files) > 1 {
				return errors.New("-f is given twice; the demo reads one file")
			}
			file := strings.Join(files, "")
			if onECR {
				return a.demoECR(cmd.Context(), keep)
			}
			registry, err := startDemo(port, cmd.Flags().Changed("port"))
			if err != nil {
				return err
			}
			return a.demo(cmd.Context(), registry, file, keep)
		},
	}
	c.Flags().StringArrayVarP(&files, "file", "f", nil, "`FILE` to use instead of the built-in images.yaml; it can't name another registry")
	c.Flags().IntVar(&port, "port", demoPort, "loopback port to listen on; 0 takes a free one, and so does the default if it is in use")
	c.Flags().BoolVar(&onECR, "ecr", false, "use an Amazon ECR in memory, through the AWS API")
	oneOf(c, "the Amazon ECR has an images.yaml of its own, and listens nowhere", "ecr", "file", "port")
	c.Flags().BoolVar(&keep, "keep", false, "keep the registry running until interrupted")
	return c
}

// demoPort is the port that the documentation shows.
const demoPort = 5000

// startDemo starts the demo's registry on a port, or on a free one if the port
// was not asked for and is in use.
func startDemo(port int, asked bool) (*demo.Registry, error) {
	registry, err := demo.StartOn(port)
	if err != nil && !asked {
		return demo.Start()
	}
	return registry, err
}

// localhost returns the registry's host with the name localhost, as images.yaml
// usually has it, or with the address if the name leads elsewhere.
func localhost(registry *demo.Registry) string {
	_, port, _ := net.SplitHostPort(registry.Host())
	host := net.JoinHostPort("localhost", port)
	conn, err := net.DialTimeout("tcp", host, time.Second)
	if err != nil {
		return registry.Host()
	}
	defer func() { _ = conn.Close() }()
	if conn.RemoteAddr().String() != registry.Host() {
		return registry.Host()
	}
	return host
}

// demo is the demo on a registry that is served here.
func (a *app) demo(ctx context.Context, registry *demo.Registry, file string, keep bool) (err error) {
	defer func() { err = errors.Join(err, registry.Close()) }()
	if _, err := demo.Seed(ctx, registry.Host()); err != nil {
		return err
	}
	host := localhost(registry)
	images, err := demoImages(file, host, registry.Host())
	if err != nil {
		return err
	}
	a.say("A registry on %s, with two releases as docker buildx pushes them:", host)
	for _, s := range demo.Samples() {
		a.say("  %s:%s for %s, with provenance", demo.SampleRepository, s.Tag, s.Platforms[0])
	}
	if err := a.threeRuns(ctx, images); err != nil {
		return err
	}
	if err := a.pulls(ctx, images); err != nil || !keep {
		return err
	}
	a.say("\nThe registry runs until you press Ctrl-C. In compose.yml, on either machine:")
	for _, image := range images {
		for _, alias := range image.Aliases {
			if alias.Absent {
				continue
			}
			a.say("    image: %s:%s", image.Repository, alias.Tag)
		}
	}
	<-ctx.Done()
	return nil
}

// pulls shows what machines of two platforms pull.
func (a *app) pulls(ctx context.Context, images []config.Image) error {
	a.say("\nWhat a machine pulls:")
	for _, image := range images {
		for _, alias := range image.Aliases {
			if alias.Absent {
				continue
			}
			for _, platform := range []string{"linux/amd64", "linux/arm64"} {
				content, err := demo.Pull(ctx, fmt.Sprintf("%s:%s", image.Repository, alias.Tag), platform)
				switch {
				case errors.Is(err, demo.ErrNoImage):
					a.say("  %s:%s has no image for %s", image.Name, alias.Tag, platform)
				case err != nil:
					return err
				default:
					a.say("  %s:%s on %s is %q", image.Name, alias.Tag, platform, content)
				}
			}
		}
	}
	return nil
}

// demoImages returns the built-in images.yaml, or the file, for the demo's registry
// on a host, which has an address, too. It refuses a file that names another
// registry: the demo neither writes to it nor reads from it.
func demoImages(file, host, address string) ([]config.Image, error) {
	options := config.Options{Registry: host, Policies: policies.Keys(), Once: readOnce()}
	cfg, err := config.Parse("images.yaml", []byte(demo.ImagesYAML()), options)
	if file != "" {
		cfg, err = config.Load([]string{file}, options)
	}
	if err != nil {
		return nil, err
	}
	elsewhere := func(of config.Repository) bool { return of.Host != host && of.Host != address }
	for _, image := range cfg.Images {
		if elsewhere(image.Repository) {
			return nil, fmt.Errorf("%s: image %q is on another registry; the demo writes only to its own", image.Pos, image.Name)
		}
		for _, alias := range image.Aliases {
			for _, s := range alias.Sources {
				if elsewhere(s.Repository) {
					return nil, fmt.Errorf("%s: source %q is on another registry; the demo reads only its own", s.Pos, s.Text)
				}
			}
		}
	}
	return cfg.Images, nil
}
