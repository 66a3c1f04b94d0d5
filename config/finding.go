package config

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/go-multierror"
)

// What can be wrong with an images.yaml. These names are part of the contract:
// they never change their meaning.
const (
	IDSyntax              = "syntax"               // not YAML
	IDEncoding            = "encoding"             // not UTF-8 text, or a control character
	IDTooLarge            = "too-large"            // more than 5 MiB
	IDTooDeep             = "too-deep"             // maps and lists nested more than 100 deep
	IDMultipleDocuments   = "multiple-documents"   // a second document after "---"
	IDYAMLFeature         = "yaml-feature"         // an anchor, a YAML alias, a merge key or an explicit tag
	IDEmptyFile           = "empty-file"           // nothing but comments
	IDWrongType           = "wrong-type"           // a list, a map or text where another of them belongs
	IDEmptyValue          = "empty-value"          // null, or nothing, where a value belongs
	IDDuplicateKey        = "duplicate-key"        // one key twice in a map
	IDUnknownField        = "unknown-field"        // a key that the file format does not have
	IDMissingImages       = "missing-images"       // a file without images
	IDMissingAliases      = "missing-aliases"      // an image without aliases
	IDMissingRegistry     = "missing-registry"     // an image without a host, and no default registry
	IDInvalidRegistry     = "invalid-registry"     // not the host of a registry
	IDInvalidRepository   = "invalid-repository"   // not the name of a repository
	IDInvalidTag          = "invalid-tag"          // an alias that cannot be a tag
	IDInvalidSource       = "invalid-source"       // neither tag, digest nor reference
	IDInvalidPlatform     = "invalid-platform"     // not a platform
	IDInvalidRange        = "invalid-range"        // of newest: not a range of versions, or one that holds none
	IDInvalidValue        = "invalid-value"        // not a value of its policy
	IDDuplicateRepository = "duplicate-repository" // one repository under two spellings
	IDDuplicatePlatform   = "duplicate-platform"   // one platform twice, or under two spellings
	IDAliasCycle          = "alias-cycle"          // aliases that name each other, or one itself
	IDAbsentSource        = "absent-source"        // an alias of an alias that should be absent
)

// Pos is a place in images.yaml. Line and Column count from 1, columns in
// characters; both are 0 for the file as a whole.
type Pos struct {
	File   string
	Line   int
	Column int
}

// Finding is something that is wrong and where: a problem of images.yaml, or
// a violation, where a registry's content or a policy forbids an action.
type Finding struct {
	ID      string // stable, kebab-case: "unknown-field"
	Alias   string // the alias tag it is about, if any
	Pos     Pos
	Warning bool   // nothing is refused for it
	Message string // what was found, what was expected, what to do
}

// Error is "images.yaml:12:7: error[unknown-field]: …", or without line and
// column for a problem of the whole file.
func (f *Finding) Error() string {
	at := f.Pos.File
	if f.Pos.Line > 0 {
		at = fmt.Sprintf("%s:%d:%d", f.Pos.File, f.Pos.Line, f.Pos.Column)
	}
	severity := "error"
	if f.Warning {
		severity = "warning"
	}
	return fmt.Sprintf("%s: %s[%s]: %s", at, severity, f.ID, f.Message)
}

// join makes one error of the findings, in the order of their places and with
// a line for each; nil if there are none.
func join(findings []*Finding) error {
	slices.SortStableFunc(findings, func(a, b *Finding) int {
		return cmp.Or(cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Column, b.Pos.Column))
	})
	all := &multierror.Error{ErrorFormat: func(errs []error) string {
		lines := make([]string, len(errs))
		for i, err := range errs {
			lines[i] = err.Error()
		}
		return strings.Join(lines, "\n")
	}}
	for _, f := range findings {
		all.Errors = append(all.Errors, f)
	}
	return all.ErrorOrNil()
}

// maxQuoted is how much of a value a message repeats, in characters.
const maxQuoted = 60

// quote makes a value safe to print: on one line, control characters escaped,
// cut where it is long.
func quote(s string) string {
	count := 0
	for i := range s {
		if count++; count > maxQuoted {
			return strconv.Quote(s[:i] + "…")
		}
	}
	return strconv.Quote(s)
}
