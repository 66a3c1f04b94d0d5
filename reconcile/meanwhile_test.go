package reconcile_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"tagline/config"
	"tagline/config/findings"
	"tagline/reconcile"
	"tagline/reconcile/registry"
)

// meanwhile lets something happen just before a write.
type meanwhile struct {
	registry.Writer
	copying func(digest string) error // what it returns fails the copy
}

func (m meanwhile) Copy(ctx context.Context, from config.Repository, digest string) error {
	if m.copying != nil {
		if err := m.copying(digest); err != nil {
			return err
		}
	}
	return m.Writer.Copy(ctx, from, digest)
}

// A saved plan warns of what could not be brought along, as any other does.
func TestUncopiedReferrerIsToldOf(t *testing.T) {
	for name, apply := range map[string]func(*builder, registry.Writer, config.Image, reconcile.Plan) reconcile.Result{
		"a plan": func(_ *builder, w registry.Writer, _ config.Image, p reconcile.Plan) reconcile.Result {
			return reconcile.Apply(t.Context(), w, p)
		},
		"a saved plan": func(b *builder, w registry.Writer, image config.Image, p reconcile.Plan) reconcile.Result {
			return reconcile.ApplySaved(t.Context(), b.Memory, w, image, p)
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := build()
			image := b.image("image", intel)
			b.Tags["r.test/base:1.0"] = image
			signature := b.referrer("signature", image)
			app := aliases(t, `1: "base:1.0"`)
			p := plan(t, b.Memory, app)
			w := meanwhile{Writer: b.Writer(app.Repository), copying: func(digest string) error {
				if digest == signature {
					return errors.New("403 Forbidden")
				}
				return nil
			}}
			r := apply(b, w, app, p)
			if err := errOf(t, r.Pushed, "1"); err != nil {
				t.Error(err)
			}
			if len(r.Warned) != 1 || r.Warned[0].ID != findings.UncopiedReferrer || !strings.Contains(r.Warned[0].Message, "403 Forbidden") {
				t.Errorf("it warns %v", r.Warned)
			}
		})
	}
}
