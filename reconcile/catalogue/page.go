// Package catalogue makes the catalogue: one HTML file with every alias of images.yaml,
// what it is, what it was, and what to write to use it. The file needs no other, and
// asks nothing of the network.
package catalogue

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"net/url"
	"strings"
	"time"
	"unicode"
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

// HTML returns the page.
func (p *Page) HTML() ([]byte, error) {
	d := document{
		Title: strings.TrimSuffix("Images on "+clean(p.registry), " on "), Summary: p.counts(), Version: "tagline " + p.version, Made: "Made " + stamp(p.made),
		Style: template.CSS(style), Script: template.JS(script), StyleHash: hash(style), ScriptHash: hash(script),
		Attention: p.attention, Images: p.images, Waiting: p.waiting, WaitingCount: p.waitingCount, Gone: p.gone(), GoneCount: len(p.deleted), Legend: legend,
		Data: data{Digests: base64.StdEncoding.EncodeToString(p.digests), Platforms: p.sets, By: p.by, Aliases: p.rows},
	}
	var b bytes.Buffer
	err := layout.Execute(&b, d)
	return b.Bytes(), err
}

// hash names an inline style or script in a Content-Security-Policy (CSP3, "Hash
// source").
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

func stamp(at time.Time) string { return at.UTC().Format("2006-01-02 15:04") }

// clean replaces what could reorder or hide text. HTML is escaped by the template.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '\uFFFD'
	}, text)
}
