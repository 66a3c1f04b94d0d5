package compose

import (
	"slices"
	"strings"

	"tagline/config"
	"tagline/config/findings"
)

// platforms checks that the alias offers what the service needs: the platform
// it names or, as it may run anywhere, all that the policy requires. A system
// alone, such as "linux", is any architecture of it.
func (c *check) platforms(s Service, image config.Image, alias config.Alias) {
	has, known := offers(image, alias)
	required := image.Policies["platforms"].Platforms
	text, system := s.Platform, strings.ToLower(s.Platform.Value)
	at, written := s.Image.Pos, s.Image.shown()
	if text.Written == "" || config.IsSystem(system) {
		of := func(p config.Platform) bool { return text.Written == "" || p.OS == system }
		if known && text.Written != "" && !slices.ContainsFunc(has, of) {
			c.report(at, alias.Tag, findings.MissingPlatform, "%s: alias %q has %s, and the service's platform is %s", written, alias.Tag, list(has), text.shown())
			return
		}
		for _, want := range required {
			if known && of(want) && !slices.ContainsFunc(has, func(p config.Platform) bool { return p.Is(want) }) {
				c.report(at, alias.Tag, findings.MissingPlatform, "%s: alias %q has %s; the platforms policy requires %s", written, alias.Tag, list(has), want)
			}
		}
		return
	}
	want, err := config.ParseLoosePlatform(text.Value)
	serve := func(p config.Platform) bool { return p.RunsOn(want) }
	shown := want.String()
	if text.Hidden {
		shown = quote(text.Written)
	}
	switch {
	case len(text.Unset) > 0:
		c.report(text.Pos, alias.Tag, findings.UnsetVariable, "platform %s: %s", quote(text.Written), text.missing())
	case err != nil && text.Hidden:
		c.report(text.Pos, alias.Tag, findings.InvalidPlatform, "platform %s is unknown, with the variables as they are set", shown)
	case err != nil:
		c.report(text.Pos, alias.Tag, findings.InvalidPlatform, "%v", err)
	case known && !slices.ContainsFunc(has, serve):
		c.report(at, alias.Tag, findings.MissingPlatform, "%s: alias %q has %s, and the service's platform is %s", written, alias.Tag, list(has), shown)
	case !known && !slices.ContainsFunc(required, serve):
		c.warn(at, alias.Tag, findings.UnknownPlatforms, "%s: images.yaml does not say whether alias %q has %s, the service's platform; name it in the platforms policy, or its source in the alias", written, alias.Tag, shown)
	}
}

func list(platforms []config.Platform) string {
	names := make([]string, len(platforms))
	for i, p := range platforms {
		names[i] = p.String()
	}
	return strings.Join(names, ", ")
}

// offers are the platforms that an alias is going to have, if images.yaml alone
// tells: it does where it names them, and for newest versions, which are taken
// for the platforms that the policy requires. What one whole tag has, a registry
// knows.
func offers(image config.Image, alias config.Alias) (has []config.Platform, known bool) {
	for range image.Aliases { // as many steps as there are aliases at most: Parse refuses cycles
		if len(alias.Sources) != 1 || !alias.Sources[0].Alias || alias.Sources[0].Platform != (config.Platform{}) {
			break
		}
		i := slices.IndexFunc(image.Aliases, func(a config.Alias) bool { return a.Tag == alias.Sources[0].Tag })
		alias = image.Aliases[i]
	}
	for _, s := range alias.Sources {
		switch {
		case s.Platform != (config.Platform{}):
			has = append(has, s.Platform)
		case s.Newest != nil && !s.Newest.Whole:
			has = image.Policies["platforms"].Platforms
		}
	}
	return has, len(has) > 0
}
