package reconcile

import (
	"errors"
	"fmt"

	"tagline/config"
	"tagline/config/findings"
	"tagline/reconcile/registry"
)

// errUnknown is the answer to a question that has not been read yet.
var errUnknown = errors.New("not observed")

// problems says why an alias can't be decided. Each kind leads to something
// else: a violation is a result for the report, a failure fails the run, and an
// open question is read before the next round of planning.
type problems struct {
	violations []*config.Finding
	failures   []error
	open       bool // an answer is not there yet
}

// any reports whether there is any problem.
func (p problems) any() bool { return p.open || len(p.violations)+len(p.failures) > 0 }

// forbid notes a violation.
func (p *problems) forbid(v *config.Finding) { p.violations = append(p.violations, v) }

// fail notes an error, if there is one.
func (p *problems) fail(err error) {
	switch {
	case err == nil:
	case errors.Is(err, errUnknown):
		p.open = true
	default:
		p.failures = append(p.failures, err)
	}
}

// wait notes that an answer is still open, and leaves any other error out.
func (p *problems) wait(err error) { p.open = p.open || errors.Is(err, errUnknown) }

// join adds the problems of another part.
func (p *problems) join(of problems) {
	p.violations = append(p.violations, of.violations...)
	p.failures = append(p.failures, of.failures...)
	p.open = p.open || of.open
}

func violation(alias config.Alias, pos config.Pos, id findings.ID, format string, args ...any) *config.Finding {
	return &config.Finding{ID: id, Alias: alias.Tag, Pos: pos, Message: fmt.Sprintf(format, args...)}
}

func warning(alias config.Alias, pos config.Pos, id findings.ID, format string, args ...any) *config.Finding {
	w := violation(alias, pos, id, format, args...)
	w.Warning = true
	return w
}

// ofProfile returns the findings of an image. Where one is about a place in a
// profile, which many images share, its message names the image.
func ofProfile(image config.Image, all []*config.Finding) []*config.Finding {
	for i, f := range all {
		if profile := image.ProfileAt(f.Pos); profile != "" {
			named := *f
			named.Message += fmt.Sprintf(" (image %q, profile %q)", image.Name, profile)
			all[i] = &named
		}
	}
	return all
}

// reason says what an error means. A failure of the host itself reads the same
// for every alias.
func reason(err error) string {
	if host := (*registry.HostError)(nil); errors.As(err, &host) {
		return host.Error()
	}
	return registry.Line(err)
}
