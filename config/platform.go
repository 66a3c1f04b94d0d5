package config

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
)

// Platform is what an image runs on. The zero Platform means "every platform".
//
// The fields keep their original spelling. [Platform.Is] compares their meaning.
type Platform struct {
	OS           string
	Architecture string
	Variant      string // "v7", "v8"; often empty
	OSVersion    string // of Windows images; never set by images.yaml
}

// String returns "linux/arm64" or "linux/arm/v7".
func (p Platform) String() string {
	if p == (Platform{}) {
		return ""
	}
	s := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		s += "/" + p.Variant
	}
	if p.OSVersion != "" {
		s += " (" + p.OSVersion + ")"
	}
	return s
}

// Normal drops a variant that is the default: arm64/v8 becomes arm64 and arm/v7
// becomes arm, as in containerd's platforms package. amd64 and amd64/v3 differ.
func (p Platform) Normal() Platform {
	p.OS, p.Architecture, p.Variant = strings.ToLower(p.OS), strings.ToLower(p.Architecture), strings.ToLower(p.Variant)
	switch {
	case p.Architecture == "arm64" && (p.Variant == "v8" || p.Variant == "8"),
		p.Architecture == "arm" && (p.Variant == "v7" || p.Variant == "7"),
		p.Architecture == "amd64" && p.Variant == "v1":
		p.Variant = ""
	}
	return p
}

// Is reports whether an image for platform p serves the wanted one: it has the
// same normal form, and the same OS version if one is wanted.
func (p Platform) Is(wanted Platform) bool {
	p, wanted = p.Normal(), wanted.Normal()
	if wanted.OSVersion == "" {
		p.OSVersion = ""
	}
	return p == wanted
}

// Compare orders platforms as tagline writes them: linux before the other
// systems, amd64, arm64, then by name.
func (p Platform) Compare(o Platform) int {
	rank := func(s string, first ...string) int {
		for i, f := range first {
			if s == f {
				return i
			}
		}
		return len(first)
	}
	p, o = p.Normal(), o.Normal()
	return cmp.Or(
		cmp.Compare(rank(p.OS, "linux"), rank(o.OS, "linux")),
		cmp.Compare(p.OS, o.OS),
		cmp.Compare(rank(p.Architecture, "amd64", "arm64"), rank(o.Architecture, "amd64", "arm64")),
		cmp.Compare(p.Architecture, o.Architecture),
		cmp.Compare(p.Variant, o.Variant),
		cmp.Compare(p.OSVersion, o.OSVersion),
	)
}

// Platforms of container images: values of GOOS and GOARCH, as OCI image-spec 1.1
// wants them in an index ("Image index property descriptions").
const (
	systems       = "linux windows darwin freebsd netbsd openbsd dragonfly solaris illumos aix android ios plan9 js wasip1"
	architectures = "amd64 arm64 arm 386 loong64 mips mipsle mips64 mips64le ppc64 ppc64le riscv64 s390x wasm"
)

// IsSystem reports whether a word names an operating system, as GOOS has it.
func IsSystem(word string) bool { return isWord(systems, word) }

// ParsePlatform reads "[os/]architecture[/variant]". Without an os it is linux.
// For another name of a platform, such as x86_64, the error suggests the right
// one.
func ParsePlatform(text string) (Platform, error) {
	if p, ok := parsePlatform(text); ok {
		return p, nil
	}
	if meant, ok := corrected(text); ok {
		return Platform{}, fmt.Errorf("platform %s is unknown; did you mean %q?", quote(text), meant)
	}
	return Platform{}, fmt.Errorf("platform %s is unknown; expected [os/]architecture[/variant], such as amd64, arm/v7 or windows/amd64", quote(text))
}

// ParseLoosePlatform is [ParsePlatform], but accepts other names of a platform
// as Docker does: x86_64 for amd64.
func ParseLoosePlatform(text string) (Platform, error) {
	if meant, ok := corrected(text); ok {
		text = meant
	}
	return ParsePlatform(text)
}

// corrected returns the platform that a text probably means, if it is not valid
// itself.
func corrected(text string) (meant string, ok bool) {
	if len(text) > maxQuoted {
		return "", false
	}
	parts := strings.Split(text, "/")
	for i, part := range parts {
		parts[i] = correctedName(part)
	}
	meant = strings.Join(parts, "/")
	_, ok = parsePlatform(meant)
	return meant, ok && meant != text
}

func parsePlatform(text string) (p Platform, ok bool) {
	p.OS = "linux"
	first, rest, divided := strings.Cut(text, "/")
	if isWord(systems, first) {
		p.OS = first
		first, rest, divided = strings.Cut(rest, "/")
	}
	p.Architecture, p.Variant = first, rest
	return p, isWord(architectures, first) && (!divided || isVariant(first, rest))
}

var (
	variantPattern = regexp.MustCompile(`^[a-z0-9]+(\.[a-z0-9]+)*$`)
	// knownVariants are the variants of image-spec 1.1 ("Platform variants"),
	// and the later levels of amd64 and arm64.
	knownVariants = regexp.MustCompile(`^(amd64/v[1-4]|arm/v[5-8]|arm64/v[89](\.[0-9])?)$`)
)

func isVariant(architecture, variant string) bool {
	switch architecture {
	case "amd64", "arm", "arm64":
		return knownVariants.MatchString(architecture + "/" + variant)
	}
	return variantPattern.MatchString(variant)
}

// correctedName returns the name that one part of a platform probably means, or
// the part itself.
func correctedName(part string) string {
	part = strings.ToLower(part)
	if other, ok := otherName(part); ok {
		return other
	}
	return cmp.Or(Closest(part, strings.Fields(systems+" "+architectures)), part)
}

// otherName returns the name of what has several in use.
func otherName(part string) (name string, ok bool) {
	switch part {
	case "x86_64", "x86-64", "x64", "intel64", "intel":
		return "amd64", true
	case "aarch64", "arm64v8", "armv8", "armv8l":
		return "arm64", true
	case "armhf", "armv7", "armv7l", "arm32v7":
		return "arm/v7", true
	case "armv6", "armv6l", "arm32v6":
		return "arm/v6", true
	case "armel", "armv5", "arm32v5":
		return "arm/v5", true
	case "i386", "i486", "i586", "i686", "x86", "ia32":
		return "386", true
	case "ppc64el":
		return "ppc64le", true
	case "loongarch64":
		return "loong64", true
	case "mipsel":
		return "mipsle", true
	case "mips64el":
		return "mips64le", true
	case "macos", "osx":
		return "darwin", true
	case "win":
		return "windows", true
	case "5", "6", "7", "8":
		return "v" + part, true
	}
	return "", false
}

// isWord reports whether a list, separated by spaces, has the word.
func isWord(list, word string) bool {
	for w := range strings.FieldsSeq(list) {
		if w == word {
			return true
		}
	}
	return false
}
