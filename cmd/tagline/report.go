package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"tagline/reconcile/report"
	"tagline/reconcile/report/planfile"
)

func (a *app) reportCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "report",
		Short: "Make one report of the parts of a run",
		Long:  "Make one report of the parts of a run, which apply --shard has done.",
		RunE:  helpAlone,
	}
	c.AddCommand(a.joinCommand())
	return c
}

func (a *app) joinCommand() *cobra.Command {
	var detailed bool
	c := &cobra.Command{
		Use:   "join FILE...",
		Short: "Join the JSON reports of all parts of a run to the report of the whole",
		Long: `Join the JSON reports of all parts of a run to the report of the whole.

Each FILE is what apply --shard I/N -o json=FILE has written. All parts must be
there, each once, and be made of the same images.yaml, all by a dry run or none. If
not, nothing is written. The joined JSON of a dry run is a saved plan.

Exit codes are those that apply would have had for the whole:
  0  done, or in sync; a dry run with changes too
  1  something failed, was applied only in part, or the files can't be joined
  2  only with --detailed-exitcode: changes are pending, or were made
  3  nothing failed, but the registry's content or a policy forbids something`,
		Example: `  tagline report join part-*.json
  tagline report join part-*.json -o markdown=comment.md -o json=plan.json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("report join needs the files of all parts, such as part-*.json")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			parts, err := readParts(args)
			if err != nil {
				return err
			}
			return a.join(args, parts, detailed)
		},
	}
	a.outputFlag(c, formatNames())
	c.Flags().BoolVar(&detailed, "detailed-exitcode", false, "exit with 2 if there are changes and no errors")
	return c
}

// join writes the report of a run whose parts are complete.
func (a *app) join(files []string, parts []report.Run, detailed bool) error {
	whole, costs := planfile.Join(versionName(), parts)
	for _, part := range parts {
		a.deletions.Set = a.deletions.Set || part.Shard.Limited
	}
	out, err := a.openOutputs(formatNames(), whole.DryRun, files)
	if err != nil {
		return err
	}
	whole.Folder, whole.Forge, out.metered.joined = out.run.Folder, out.run.Forge, &costs
	repositories := whole.Repositories
	whole.Repositories = nil // they are added one by one
	out.run = whole
	var all outcome
	for _, r := range repositories {
		out.Repository(r.Plan, r.Result)
		a.tell(a.warnings(r.Plan))
		all.add(r.Plan, r.Result)
	}
	err = out.text.Summary()
	if err == nil {
		all.failed = all.failed || a.tellFailures(whole)
		err = all.exit(detailed)
	}
	return out.close(err)
}

// tellFailures says why parts stopped early, as they did themselves. It reports
// whether any did.
func (a *app) tellFailures(whole report.Run) (failed bool) {
	for _, f := range whole.Findings {
		if !f.Warning {
			failed = true
			_, _ = fmt.Fprintln(a.stderr, report.Printable(f.Error()))
		}
	}
	for _, message := range whole.Failures {
		failed = true
		_, _ = fmt.Fprintln(a.stderr, "tagline: error: "+report.Printable(message))
	}
	return failed
}

// readParts reads the reports of all parts of one run. It returns all problems at
// once.
func readParts(files []string) ([]report.Run, error) {
	parts := make([]report.Run, len(files))
	var problems []error
	for i, file := range files {
		data, err := readFile(file, planfile.MaxSize)
		found := []error{fmt.Errorf("tagline: error: %w", err)}
		if err == nil {
			if parts[i], found = planfile.ReadPart(data); len(found) == 0 {
				found = misplaced(parts[i])
			}
			for k, err := range found {
				found[k] = fmt.Errorf("%s: error: %w", file, err)
			}
		}
		problems = append(problems, found...)
	}
	if len(problems) == 0 {
		problems = incomplete(files, parts)
	}
	return parts, inLines(problems)
}

// misplaced refuses repositories that belong to another part.
func misplaced(part report.Run) (problems []error) {
	of := shard{part.Shard.Index, part.Shard.Count}
	for _, r := range part.Repositories {
		if !of.has(r.Repository) {
			problems = append(problems, fmt.Errorf("%s is not of part %v", r.Repository, of))
		}
	}
	return problems
}

// incomplete says why the reports are not those of all parts of one run.
func incomplete(files []string, parts []report.Run) (problems []error) {
	problem := func(i int, format string, args ...any) {
		of := shard{parts[i].Shard.Index, parts[i].Shard.Count}
		problems = append(problems, fmt.Errorf("%s: error: part %v %s", files[i], of, fmt.Sprintf(format, args...)))
	}
	first := parts[0]
	in := map[int]string{} // part -> its file
	for i, part := range parts {
		index := part.Shard.Index
		switch {
		case part.Shard.Count != first.Shard.Count:
			problem(i, "is not one of the %d that %s belongs to", first.Shard.Count, files[0])
		case in[index] != "":
			problem(i, "is in %s, too; give each part once", in[index])
		case part.ConfigSHA256 != first.ConfigSHA256:
			problem(i, "was made from an images.yaml with %s, and %s from one with %s; run all parts again with the same file", hash(part), files[0], hash(first))
		case part.DryRun != first.DryRun:
			kinds := map[bool]string{true: "a dry run", false: "an apply that wrote"}
			problem(i, "is of %s, and %s of %s", kinds[part.DryRun], files[0], kinds[first.DryRun])
		}
		in[index] = files[i]
	}
	if len(problems) > 0 {
		return problems
	}
	for index := range first.Shard.Count {
		if in[index] == "" {
			problems = append(problems, fmt.Errorf("tagline: error: part %v is missing; give its file, too, or run apply --shard %[1]v again", shard{index, first.Shard.Count}))
		}
		if len(problems) == mostMissing {
			return append(problems, fmt.Errorf("tagline: error: of %d parts %d are there", first.Shard.Count, len(parts)))
		}
	}
	return problems
}

// mostMissing is how many missing parts are named.
const mostMissing = 10

func hash(part report.Run) string {
	if part.ConfigSHA256 == "" {
		return "no SHA-256, since it is not valid"
	}
	return "the SHA-256 " + part.ConfigSHA256
}
