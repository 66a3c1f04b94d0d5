package report

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// prose writes a message as Markdown: words as text, names as code. A name is
// what the message quotes, and whatever else is not a plain word: a reference, a
// digest, a version, a flag. So nothing in foreign text can be Markdown, HTML, a
// link, a mention, or a reference to an issue or a commit. Digests are shortened.
func prose(message string) string {
	var out []string
	for rest := strings.TrimLeft(cut(Printable(message)), " "); rest != ""; rest = strings.TrimLeft(rest, " ") {
		open := rest[:len(rest)-len(strings.TrimLeft(rest, opening))]
		if len(out) == 0 && strings.Contains(open, "[") {
			open = "" // "[a]: b" would define a link
		}
		rest = rest[len(open):]
		if quoted, err := strconv.QuotedPrefix(rest); err == nil && quoted[0] == '"' && len(quoted) > 2 {
			if after := rest[len(quoted):]; after == "" || strings.ContainsRune(" "+closing, rune(after[0])) {
				end := len(after) - len(strings.TrimLeft(after, closing))
				out = append(out, open+span(brief(strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)))+after[:end])
				rest = after[end:]
				continue
			}
		}
		word, after, _ := strings.Cut(rest, " ")
		rest = after
		name := strings.TrimRight(word, closing)
		starts := len(out) == 0 && open == "" && isCount.MatchString(name) && name != word // "1." would be a list
		switch end := word[len(name):]; {
		case name == "->":
			out = append(out, open+"→"+end)
		case name == "" || isWord(name) && !starts || isNumber.MatchString(name) && isUnit.MatchString(rest):
			out = append(out, open+word)
		default:
			out = append(out, open+span(brief(name))+end)
		}
	}
	return strings.Join(out, " ")
}

// What may stand before and after a word or a name.
const (
	opening = "(["
	closing = ".,;:!?)]"
)

var (
	isNumber = regexp.MustCompile(`^\d+(\.\d+)?$`)
	isUnit   = regexp.MustCompile(`^[kMGT]?B\b`)
	// A forge may link a commit to what looks like an abbreviation of its name.
	isCommit = regexp.MustCompile(`^[0-9a-fA-F]{7,}$`)
	isCount  = regexp.MustCompile(`^\d{1,6}$`)
)

// isWord reports whether text is a plain word or a count. A hyphen is part of a
// word in lower case alone: GH-1 is an issue.
func isWord(text string) bool {
	if isCount.MatchString(text) {
		return true
	}
	letters := 0
	for _, r := range text {
		switch {
		case unicode.IsLetter(r), unicode.IsMark(r):
			letters++
		case (r == '\'' || r == '’') && letters > 0:
		case r == '-' && letters > 0 && strings.ToLower(text) == text:
		case r == '…' || r == '→' || r == '—':
		default:
			return false
		}
	}
	return !isCommit.MatchString(text)
}

// code puts foreign text into a code span, where it can't be Markdown, a
// mention or a link. Characters that would end the span or the table cell are
// written as HTML.
func code(text string) string { return span(cut(Printable(text))) }

// span is code for text that is printable already, or part of such text: "::" is no
// command in the middle of a line.
func span(text string) string {
	switch {
	case text == "":
		return ""
	case !strings.ContainsAny(text, "`|"):
		return "`" + text + "`"
	}
	return htmlSpan(text)
}

// htmlSpan is span for the places where Markdown is not read, such as the summary of
// a fold.
func htmlSpan(text string) string {
	var b strings.Builder
	for _, r := range text {
		if plain(r) || r == ' ' {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, "&#%d;", r)
		}
	}
	return "<code>" + b.String() + "</code>"
}

func plain(r rune) bool { return r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' }

// cut shortens long text.
func cut(text string) string {
	const most = 400
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}

// linked makes a link of code that may be empty. Without a URL it stays code.
func linked(code, url string) string {
	if code == "" || url == "" {
		return code
	}
	return "[" + code + "](" + url + ")"
}

// fold hides a text behind a summary, which is HTML.
func fold(summary, body string) string {
	return "\n<details><summary>" + summary + "</summary>\n\n" + strings.TrimSpace(body) + "\n\n</details>\n"
}

// digestInText is a digest as part of a reference.
var digestInText = regexp.MustCompile(`(sha256:[0-9a-f]{12})[0-9a-f]{52}`)

// brief shortens the digests in a reference.
func brief(reference string) string { return digestInText.ReplaceAllString(reference, "$1…") }
