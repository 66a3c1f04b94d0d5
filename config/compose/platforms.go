package compose

import (
	"slices"
	"strconv"
	"strings"

	"tagline/config"
	"tagline/config/findings"
)

// unserved says which platform an alias does not offer, or is not known to offer,
// though the service needs it. That is the platform that the service names or, as it
// may run anywhere, each that the policy requires. A system alone, such as "linux", is
// any architecture of it.
func unserved(s Service, image config.Image, alias config.Alias) *config.Finding {
	has, known := offers(image, alias)
	required := image.Policies["platforms"].Platforms
	text, system := s.Platform, strings.ToLower(s.Platform.Value)
	lacks := func(why string) *config.Finding {
		return errorf(s.Image.Pos, findings.MissingPlatform, "%s: alias %q has %s%s", s.Image.shown(), alias.Tag, list(has), why)
	}
	if text.Written == "" || config.IsSystem(system) {
		of := func(p config.Platform) bool { return text.Written == "" || p.OS == system }
		missing := slices.DeleteFunc(slices.Clone(required), func(want config.Platform) bool {
			return !of(want) || slices.ContainsFunc(has, func(p config.Platform) bool { return p.Is(want) })
		})
		switch {
		case known && !slices.ContainsFunc(has, of):
			return lacks(", and the service's platform is " + text.shown())
		case known && len(missing) > 0:
			return lacks("; the platforms policy requires " + list(missing))
		}
		return nil
	}
	want, err := config.ParseLoosePlatform(text.Value)
	serves := func(p config.Platform) bool { return p.RunsOn(want) }
	shown := want.String()
	if text.Hidden {
		shown = strconv.Quote(text.Written)
	}
	switch {
	case len(text.Unset) > 0:
		return errorf(text.Pos, findings.UnsetVariable, "platform %q: %s", text.Written, text.missing())
	case err != nil && text.Hidden:
		return errorf(text.Pos, findings.InvalidPlatform, "platform %s is unknown, with the variables as they are set", shown)
	case err != nil:
		return errorf(text.Pos, findings.InvalidPlatform, "%v", err)
	case known && !slices.ContainsFunc(has, serves):
		return lacks(", and the service's platform is " + shown)
	case !known && !slices.ContainsFunc(required, serves):
		return warning(s.Image.Pos, findings.UnknownPlatforms, "%s: images.yaml does not say whether alias %q has %s, the service's platform; name it in the platforms policy, or its source in the alias", s.Image.shown(), alias.Tag, shown)
	}
	return nil
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
