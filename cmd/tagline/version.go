package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version and commit are set by whoever builds a release.
var version, commit = "devel", ""

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  noArguments,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(a.stdout, versionText())
			return err
		},
	}
}

// versionText is "tagline v1.2.3 (commit 0123abcd…, go1.26.8 linux/amd64)". A build
// outside of git knows no commit.
func versionText() string {
	from := commit
	if info, ok := debug.ReadBuildInfo(); ok && from == "" {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				from = s.Value
			}
		}
	}
	if from != "" {
		from = "commit " + from + ", "
	}
	return fmt.Sprintf("tagline %s (%s%s %s/%s)", versionName(), from, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

func versionName() string {
	if info, ok := debug.ReadBuildInfo(); ok && version == "devel" && info.Main.Version != "" {
		return info.Main.Version
	}
	return version
}
