package config

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/containerd/platforms"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Platform is what an image runs on. The zero Platform means "every platform".
//
// The fields keep their original spelling. [Platform.Is] compares their meaning.
//
// Containerd's platforms package says which variants are defaults, what a machine
// runs and what Docker understands. Four parts of it do not fit:
//   - Parse guesses: "windows" gets the architecture of the machine, "amd64" its
//     system, and foo/bar passes. What images.yaml means must be the same on
//     every machine, so [ParsePlatform] reads it.
//   - FormatAll cleans the text as a path: an image for "./amd64" would seem to be
//     for amd64. A test holds that containerd reads what [Platform.String] writes.
//   - Normalize takes x86_64 for amd64. Other runtimes do not, so an image that
//     says so is refused: see [Platform.Misspelled].
//   - Match asks what a Windows host runs: one of 10.0.26100 runs images of
//     10.0.20348. An alias that wants the one must not get the other.
type Platform struct {
	OS           string
	Architecture string
	Variant      string // "v7", "v8"; often empty
	OSVersion    string // "10.0.17763.5458", as Windows images have it; in images.yaml also the first numbers of it
}

// Short returns the platform without the "linux/" that images.yaml implies.
func (p Platform) Short() string { return strings.TrimPrefix(p.String(), "linux/") }

// String returns "linux/arm64", "linux/arm/v7" or "windows(10.0.17763)/amd64".
func (p Platform) String() string {
	if p == (Platform{}) {
		return ""
	}
	s := p.OS
	if p.OSVersion != "" {
		s += "(" + p.OSVersion + ")"
	}
	s += "/" + p.Architecture
	if p.Variant != "" {
		s += "/" + p.Variant
	}
	return s
}

func (p Platform) spec() ocispec.Platform {
	return ocispec.Platform{OS: p.OS, Architecture: p.Architecture, Variant: p.Variant, OSVersion: p.OSVersion}
}

// Normal drops a variant that is the default: arm64/v8 becomes arm64 and arm/v7
// becomes arm. amd64 and amd64/v3 differ. A platform of an unknown system or
// architecture stays as it is.
func (p Platform) Normal() Platform {
	if !IsSystem(p.OS) || !isArchitecture(p.Architecture) {
		return p
	}
	p.Variant = platforms.Normalize(p.spec()).Variant
	if p.Architecture == "arm" && p.Variant == "v7" {
		p.Variant = ""
	}
	return p
}

// Is reports whether an image for platform p serves the wanted one: it has the
// same normal form, and its OS version begins with the wanted one.
func (p Platform) Is(wanted Platform) bool {
	p, wanted = p.Normal(), wanted.Normal()
	if begins(p.OSVersion, wanted.OSVersion) {
		p.OSVersion = wanted.OSVersion
	}
	return p == wanted
}

// Overlaps reports whether an image can serve both platforms, as with
// windows/amd64 and windows(10.0.17763)/amd64.
func (p Platform) Overlaps(o Platform) bool { return p.Is(o) || o.Is(p) }

// Admits reports whether an image that says p can be for the wanted platform,
// which tells more: arm admits arm/v6, arm/v5 does not. Of an image that leaves
// the variant out, [Platform.Is] takes the default; this is for an author who
// knows better.
func (p Platform) Admits(wanted Platform) bool {
	if p.Variant == "" {
		p.Variant = wanted.Variant
	}
	return p.Overlaps(wanted)
}

// WithoutRevision drops the last of the four numbers of a Windows version. It
// changes with every monthly update; the first three are what a host goes by.
func (p Platform) WithoutRevision() Platform {
	if numbers := strings.Split(p.OSVersion, "."); p.OS == windows && len(numbers) > 3 {
		p.OSVersion = strings.Join(numbers[:3], ".")
	}
	return p
}

// begins reports whether a version is the other or continues it: 10.0.17763.1
// begins with 10.0.17763, and not with 10.0.1. Each begins with "".
func begins(version, with string) bool {
	rest, ok := strings.CutPrefix(version, with)
	return ok && (with == "" || rest == "" || rest[0] == '.')
}

// wider returns the normal forms of the platforms that include p: those with
// fewer numbers of its OS version, and with none.
func (p Platform) wider() []Platform {
	var all []Platform
	for p = p.Normal(); p.OSVersion != ""; all = append(all, p) {
		p.OSVersion = p.OSVersion[:max(0, strings.LastIndexByte(p.OSVersion, '.'))]
	}
	return all
}

// RunsOn reports whether a machine runs an image of platform p: one of the same
// architecture, and of no higher variant. An image without an OS version counts
// for every one. containerd also lets amd64 run 386 and arm64 run arm; not every
// machine can.
func (p Platform) RunsOn(machine Platform) bool {
	return p.Is(machine) || p.Architecture == machine.Architecture && platforms.Only(machine.spec()).Match(p.spec())
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

const windows = "windows"

// Platforms of container images: values of GOOS and GOARCH, as OCI image-spec 1.1
// wants them in an index ("Image index property descriptions"). Images for WASI
// say wasi, or the version of it that GOOS has.
var (
	systems       = strings.Fields("linux windows darwin freebsd netbsd openbsd dragonfly solaris illumos aix android ios plan9 js wasi wasip1 wasip2")
	architectures = strings.Fields("amd64 arm64 arm 386 loong64 mips mipsle mips64 mips64le ppc64 ppc64le riscv64 s390x wasm")
)

// IsSystem reports whether a word names an operating system, as GOOS has it.
func IsSystem(word string) bool { return slices.Contains(systems, word) }

func isArchitecture(word string) bool { return slices.Contains(architectures, word) }

// ParsePlatform reads "[os/]architecture[/variant]". Without an os it is linux.
// An os other than linux can have a version: "windows(10.0.17763)/amd64", as
// containerd writes it, or "windows/amd64:10.0.17763", as crane does. For another
// name of a platform, such as x86_64, the error suggests the right one.
func ParsePlatform(text string) (Platform, error) {
	if p, ok := parsePlatform(text); ok {
		return p, nil
	}
	if meant, ok := corrected(text, nearestName); ok {
		return Platform{}, fmt.Errorf("platform %s is unknown; did you mean %q?", quote(text), meant)
	}
	expected := "[os/]architecture[/variant], such as amd64, arm/v7 or windows/amd64"
	if strings.ContainsAny(text, "(:") && strings.Contains(text, "/") {
		expected = "os(version)/architecture, such as windows(10.0.17763)/amd64; linux has no version"
	}
	return Platform{}, fmt.Errorf("platform %s is unknown; expected %s", quote(text), expected)
}

// ParseLoosePlatform is [ParsePlatform], but accepts other names of a platform
// as Docker does: x86_64 for amd64. It corrects no misspelling.
func ParseLoosePlatform(text string) (Platform, error) {
	if p, ok := parsePlatform(text); ok {
		return p, nil
	}
	spec := text
	if !strings.Contains(text, "/") {
		spec = "linux/" + text
	}
	if said, err := platforms.Parse(spec); err == nil && len(said.OSFeatures) == 0 {
		said = platforms.Normalize(said)
		if p, ok := parsePlatform(Platform{said.OS, said.Architecture, said.Variant, said.OSVersion}.String()); ok {
			return p, nil
		}
	}
	if right, ok := corrected(text, knownName); ok {
		return ParsePlatform(right)
	}
	return ParsePlatform(text)
}

// Misspelled reports whether an image that says p names its platform in a way
// that runtimes don't agree on, such as x86_64, Linux or amd64/v8, and what it
// should say instead.
func (p Platform) Misspelled() (meant Platform, is bool) {
	normal, version := p.Normal(), p.OSVersion
	if IsSystem(p.OS) && isArchitecture(p.Architecture) && (normal.Variant == "" || isVariant(p.Architecture, normal.Variant)) {
		return Platform{}, false
	}
	p.OSVersion = ""
	texts := []string{p.String()}
	if parts := strings.Split(p.String(), "/"); len(parts) > 2 && parts[1] != "arm" { // arm alone would be a guess
		texts = append(texts, parts[0]+"/"+parts[1])
	}
	for _, text := range texts {
		if right, ok := corrected(text, knownName); ok {
			text = right
		}
		if meant, ok := parsePlatform(text); ok {
			meant.OSVersion = version
			return meant, true
		}
	}
	return Platform{}, false
}

// corrected returns the platform that a text probably means, if it is not valid
// itself.
func corrected(text string, name func(string) string) (meant string, ok bool) {
	bare, version, ok := cutVersion(text)
	if !ok || len(text) > maxQuoted {
		return "", false
	}
	parts := strings.Split(bare, "/")
	for i, part := range parts {
		parts[i] = name(part)
	}
	p, ok := parsePlatform(strings.Join(parts, "/"))
	if !ok || version != "" && !isVersion(p.OS, version) {
		return "", false
	}
	meant = strings.Join(parts, "/")
	if version != "" {
		meant = strings.Replace(meant, "/", "("+version+")/", 1)
	}
	return meant, meant != text
}

// cutVersion takes the OS version out of a platform, in either spelling.
func cutVersion(text string) (bare, version string, ok bool) {
	bare, version, colon := strings.Cut(text, ":")
	system, rest, divided := strings.Cut(bare, "/")
	system, inner, opened := strings.Cut(system, "(")
	switch {
	case opened:
		version, closed := strings.CutSuffix(inner, ")")
		return system + "/" + rest, version, closed && !colon && divided && version != ""
	case colon:
		return bare, version, divided && version != ""
	}
	return bare, "", true
}

func parsePlatform(text string) (p Platform, ok bool) {
	text, version, ok := cutVersion(text)
	if !ok {
		return p, false
	}
	p.OS, p.OSVersion = "linux", version
	first, rest, divided := strings.Cut(text, "/")
	if IsSystem(first) {
		p.OS = first
		first, rest, divided = strings.Cut(rest, "/")
	}
	p.Architecture, p.Variant = first, rest
	return p, isArchitecture(first) && (!divided || isVariant(first, rest)) && (version == "" || isVersion(p.OS, version))
}

var (
	variantPattern = regexp.MustCompile(`^[a-z0-9]+(\.[a-z0-9]+)*$`)
	// knownVariants are the variants of image-spec 1.1 ("Platform variants"),
	// and the later levels of amd64 and arm64.
	knownVariants = regexp.MustCompile(`^(amd64/v[1-4]|arm/v[5-8]|arm64/v[89](\.[0-9])?)$`)

	osVersionPattern = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`)
	// windowsVersionPattern is major.minor.build, with or without the revision.
	windowsVersionPattern = regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+(\.[0-9]+)?$`)
)

func isVariant(architecture, variant string) bool {
	switch architecture {
	case "amd64", "arm", "arm64":
		return knownVariants.MatchString(architecture + "/" + variant)
	}
	return variantPattern.MatchString(variant)
}

// isVersion reports whether images of a system can have the OS version. For
// Linux ones, runtimes look at no version.
func isVersion(system, version string) bool {
	switch system {
	case "linux":
		return false
	case windows:
		return windowsVersionPattern.MatchString(version)
	}
	return osVersionPattern.MatchString(version)
}

// nearestName returns the name that one part of a platform probably means, or
// the part itself.
func nearestName(part string) string {
	part = strings.ToLower(part)
	if other, ok := otherName(part); ok {
		return other
	}
	return cmp.Or(Closest(part, slices.Concat(systems, architectures)), part)
}

// knownName is nearestName without a guess.
func knownName(part string) string {
	part = strings.ToLower(part)
	if other, ok := otherName(part); ok {
		return other
	}
	return part
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
