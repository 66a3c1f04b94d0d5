package catalogue

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"net/url"
)

//go:embed page.html
var source string

//go:embed page.css
var style string

//go:embed page.js
var script string

var layout = template.Must(template.New("page").Parse(source))

// document is what the template gets.
type document struct {
	Title, Summary, Version, Made string
	Style                         template.CSS
	Script                        template.JS
	StyleHash, ScriptHash         string // for the Content-Security-Policy
	Attention                     []note
	Images                        []image
	Waiting                       []waits
	WaitingCount                  int
	Gone                          []entry
	GoneCount                     int
	Legend                        []note
	Data                          data
}

// note is a problem of an image or an alias.
type note struct {
	Link             template.URL
	Name, Mark, Text string
}

// link leads to a section or a row.
func link(id string) template.URL {
	return template.URL("#" + (&url.URL{Fragment: id}).EscapedFragment())
}

// image is a section of the page. Its ID and those of its aliases are permanent.
type image struct {
	ID, Name   string
	Repository string
	Where      string // Repository, if Name does not say it
	Aliases    []alias
}

// alias is a row.
type alias struct {
	ID, Tag, Versions string
	Marks             []string
}

// waits is what waits in one image.
type waits struct {
	Name  string
	Lines []entry
}

// entry is a manifest or tag that waits or is gone.
type entry struct{ When, What, Text string }

// data is what the script needs beside the rows, as compact as it gets: the page has to
// stay small.
type data struct {
	Digests   string      `json:"digests"`   // 32 bytes each, in base64
	Platforms [][]string  `json:"platforms"` // sets of them
	By        [][2]string `json:"by"`        // address of a job or "hand", and commit
	Aliases   [][]any     `json:"aliases"`   // in the order of the rows, see page.js
}

// hash names an inline style or script in a Content-Security-Policy (CSP3, "Hash
// source").
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}
