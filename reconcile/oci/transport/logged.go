package transport

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// subject is what a request is about, for a line of the log: its repository with
// the host, and a tag or a digest. It is empty for a token or a ping.
func subject(req *http.Request) []any {
	req = original(req)
	to := RouteOf(req)
	name := strings.TrimPrefix(req.URL.Path, "/v2/")
	if at := strings.LastIndex(name, "/"+to.Resource+"/"); at >= 0 {
		name = name[:at]
	}
	switch to.Resource {
	case "manifests", "referrers":
		return []any{"repository", req.URL.Host + "/" + name, "reference", to.Reference}
	case "blobs", "tags":
		return []any{"repository", req.URL.Host + "/" + name}
	case "uploads":
		return []any{"repository", req.URL.Host + "/" + strings.TrimSuffix(name, "/blobs")}
	}
	return nil
}

// How much of a refusal's body is read for the log, and how much of that is logged.
// What is read is more, so that no secret is cut in two, and not recognised.
const (
	readForLog    = 16 << 10
	maxLoggedBody = 2 << 10
)

// bodyOf is the beginning of a refusal's body, for the log, without secrets. The
// body can still be read as a whole.
func bodyOf(resp *http.Response, req *http.Request) []any {
	begin, err := io.ReadAll(io.LimitReader(resp.Body, readForLog))
	rest := io.Reader(resp.Body)
	if err != nil {
		rest = failing{err}
	}
	resp.Body = &readAgain{io.MultiReader(bytes.NewReader(begin), rest), resp.Body}
	text := withoutSecrets(string(withoutCredentials(begin, req)))
	switch {
	case text == "":
		return nil
	case len(text) > maxLoggedBody:
		text = strings.ToValidUTF8(text[:maxLoggedBody], "") + "…"
	case len(begin) == readForLog:
		text = "[left out]" // it was nearly all secrets, and may end in half of one
	}
	return []any{"body", text}
}

type readAgain struct {
	io.Reader
	io.Closer
}

// failing returns the error that a body ended with.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

var (
	query  = regexp.MustCompile(`(?i)(https?:[^\s"'<>?]*)\?[^\s"'<>]*`)
	scheme = regexp.MustCompile(`(?i)\b(bearer|basic)(\s+)[a-z0-9._~+/=-]{8,}`)
	jwt    = regexp.MustCompile(`eyJ[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]*)*`)
	field  = regexp.MustCompile(`(?i)([a-z0-9_-]*(?:signature|token|password|passwd|secret|credential|authorization|api_?key)[a-z0-9_-]*\\*["']?\s*[:=]\s*)(\\*"[^"]*"?|\\*'[^']*'?|[^\s,;&<>}]+)`)
)

// withoutSecrets takes out of a text what may let its reader in somewhere: the
// query of an address, which may be signed, tokens, and what stands in a field with
// such a name. It may take out more.
func withoutSecrets(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	text = query.ReplaceAllString(text, "$1?[left out]")
	text = scheme.ReplaceAllString(text, "$1$2[left out]")
	text = jwt.ReplaceAllString(text, "[left out]")
	text = field.ReplaceAllString(text, "$1[left out]")
	return strings.Join(strings.Fields(text), " ")
}

// loggable is a URL without its secrets: the query can hold a token, or the
// signature of a blob's address.
func loggable(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}
