package main

import (
	"fmt"
	"slices"
	"strings"

	"tagline/config"
	"tagline/reconcile"
	"tagline/reconcile/report/planfile"
)

// savedPlans are the plans of a file, nil if there is none.
type savedPlans map[config.Repository]reconcile.Plan

// saved is the file of a saved plan, as far as it can be read without images.yaml.
type saved struct {
	file string
	*planfile.Saved
	of       map[config.Repository]bool // what it has plans of
	problems []error
	err      error // the file can't be read
}

func readSaved(file string) *saved {
	s := &saved{file: file, of: map[config.Repository]bool{}}
	data, err := readFile(file, planfile.MaxSize)
	if err != nil {
		s.err = err
		return s
	}
	if s.Saved, s.problems = planfile.Read(data); s.Saved != nil {
		for _, p := range s.Plans {
			s.of[p.Repository] = true
		}
	}
	return s
}

// has reports whether the file has a plan of a repository. Without a file, every
// repository counts.
func (s *saved) has(repository config.Repository) bool { return s == nil || s.of[repository] }

// matchPlan returns the images and the plans of a saved plan. It refuses a plan
// that was not made from this images.yaml, or asks for anything else.
func (a *app) matchPlan(saved *saved, cfg *config.Config) ([]config.Image, savedPlans, error) {
	if saved.err != nil {
		return nil, nil, saved.err
	}
	file, problems := saved.file, saved.problems
	if len(problems) == 0 && saved.ConfigSHA256 != cfg.SHA256 {
		problems = append(problems, fmt.Errorf("it was made from an images.yaml with the SHA-256 %s, and %s has %s; to plan again, with the other flags as they are: %s", saved.ConfigSHA256, a.source(), cfg.SHA256, a.again(file)))
	}
	if len(problems) > 0 {
		return nil, nil, refusedPlan(file, problems)
	}
	plans := savedPlans{}
	for _, p := range saved.Plans {
		plans[p.Repository] = p
	}
	var images []config.Image
	for _, image := range cfg.Images {
		if p, ok := plans[image.Repository]; ok {
			p.Image = image.Name
			plans[image.Repository] = p
			images = append(images, image)
			problems = append(problems, reconcile.CheckSaved(image, p)...)
		}
	}
	known := map[config.Repository]bool{}
	for _, image := range images {
		known[image.Repository] = true
	}
	for _, p := range saved.Plans {
		if !known[p.Repository] {
			problems = append(problems, fmt.Errorf("it is for %s, which is not in %s; was it made with another --registry?", p.Repository, a.source()))
		}
	}
	return images, plans, refusedPlan(file, problems)
}

// again is the command that makes a saved plan.
func (a *app) again(file string) string {
	command := "tagline apply --dry-run"
	if !slices.Equal(a.files, []string{defaultFile}) {
		for _, name := range a.files {
			command += " -f " + shellWord(name)
		}
	}
	return command + " -o " + shellWord("json="+file)
}

// shellWord quotes a word for a shell, if it needs that.
func shellWord(word string) string {
	if word != "" && !strings.ContainsAny(word, " \t\n'\"\\$`!*?[]{}()<>|&;#~") {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// refusedPlan joins all problems, nil if there are none.
func refusedPlan(file string, problems []error) error {
	var all []error
	for _, p := range problems {
		all = append(all, fmt.Errorf("%s: error: %w", file, p))
	}
	return inLines(all)
}
