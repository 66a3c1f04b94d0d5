package main

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tagline/config"
	"tagline/reconcile"
	"tagline/reconcile/catalogue"
	"tagline/reconcile/journal"
	"tagline/reconcile/report"
)

func (a *app) statusCommand() *cobra.Command {
	var output string
	var journals []string
	c := &cobra.Command{
		Use:   "status [IMAGE[:ALIAS]...]",
		Short: "Show what each alias is now, and what the next run makes of it",
		Long: `Show what each alias is now, and what the next run makes of it.

Every alias of images.yaml has a line: its version, or that of each platform if they
differ, and whether it is in sync. An alias with platforms of several versions is
mixed. With arguments, only those images and aliases are shown. Their names are as in
images.yaml, or with their host.

Former aliases are tags that images.yaml does not list and that were aliases, by
tagline's mark in their index, or by a journal. They stay until they are set to absent;
prune deletes those that have a mark of their own.

Registries are read as by apply --dry-run; nothing is written to them. What is blocked
is shown, and no failure.

Exit codes:
  0  done
  1  something failed: an image or alias that could not be read is unknown`,
		Example: `  tagline status
  tagline status my-image --journal journal.jsonl
  tagline status my-image:10 -o json`,
		ValidArgsFunction: a.completeReference,
		RunE:              func(cmd *cobra.Command, args []string) error { return a.status(cmd.Context(), args, output, journals) },
	}
	a.journalsFlag(c, &journals)
	answerFlag(c, &output)
	a.cacheFlag(c)
	a.fileFlag(c)
	a.connectionFlags(c)
	return c
}

func (a *app) status(ctx context.Context, args []string, output string, journals []string) error {
	to, err := a.openAnswer(output)
	if err != nil {
		return err
	}
	cfg, tags, err := a.asked(args)
	if err != nil {
		return err
	}
	job := reconcile.Job{Former: true}
	if len(journals) > 0 {
		files, err := journal.Files(journals)
		if err == nil {
			job.Recorded, err = formerAliases(files, cfg.Images)
		}
		if err != nil {
			return err
		}
	}
	var status catalogue.Status
	_, err = a.survey(ctx, cfg.Images, job, func(image config.Image, plan reconcile.Plan) { status.Add(image, plan, tags[image.Name]) })
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if to.json {
		var data []byte
		data, err = status.JSON(report.FormatVersion)
		text.Write(data)
	} else {
		err = status.Text(&text)
	}
	if err = to.give(text.Bytes(), err); err == nil && status.Failed {
		err = exitCode(exitFailed)
	}
	return err
}

// asked loads the images that the arguments name, or all if there are none. It also
// returns, by image, the aliases that they name; an image without an entry is shown as
// a whole.
func (a *app) asked(args []string) (*config.Config, map[string][]string, error) {
	if len(args) == 0 {
		cfg, err := a.load(nil)
		return cfg, nil, err
	}
	cfg, err := a.load(func(config.Image) bool { return false }) // their names alone
	if err != nil {
		return nil, nil, err
	}
	tags, err := a.shown(cfg, args)
	if err != nil {
		return nil, nil, err
	}
	if cfg, err = a.load(nil); err == nil {
		err = hasAliases(cfg.Images, tags)
	}
	return cfg, tags, err
}

// shown limits the run to the images of the arguments, as --image does, and returns the
// aliases that they name, as asked does.
func (a *app) shown(cfg *config.Config, args []string) (map[string][]string, error) {
	tags, whole := map[string][]string{}, map[string]bool{}
	for _, arg := range args {
		find := func(name string) string {
			is := nameOf(name)
			i := slices.IndexFunc(cfg.Listed, func(l config.Listed) bool { return is(l.Name, l.Repository) })
			if i < 0 {
				return ""
			}
			return cfg.Listed[i].Name
		}
		name, tag := find(arg), ""
		if colon := strings.LastIndexByte(arg, ':'); name == "" && colon > strings.LastIndexByte(arg, '/') {
			arg, tag = arg[:colon], arg[colon+1:]
			name = find(arg)
		}
		if name == "" {
			return nil, fmt.Errorf("%q is not in %s, which has %s", arg, a.source(), some(arg, cfg.Listed))
		}
		a.images = append(a.images, name)
		if tag == "" {
			whole[name] = true
		} else {
			tags[name] = append(tags[name], tag)
		}
	}
	for name := range whole {
		delete(tags, name)
	}
	return tags, nil
}

// hasAliases refuses an alias that images.yaml does not have.
func hasAliases(images []config.Image, tags map[string][]string) error {
	for _, image := range images {
		var known []string
		for _, alias := range image.Aliases {
			known = append(known, alias.Tag)
		}
		for _, tag := range tags[image.Name] {
			switch {
			case slices.Contains(known, tag):
			case len(known) == 0:
				return fmt.Errorf("%s has no aliases in images.yaml", image.Name)
			case len(known) > 20:
				return fmt.Errorf("%q is no alias of %s, which has %d", tag, image.Name, len(known))
			default:
				return fmt.Errorf("%q is no alias of %s, which has %s; for any tag there is tagline inspect %s:%s", tag, image.Name, strings.Join(known, ", "), image.Name, tag)
			}
		}
	}
	return nil
}
