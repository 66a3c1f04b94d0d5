package ecrtest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"iter"

	"github.com/opencontainers/go-digest"
)

// position is a place in a listing: the serial of an image and one of its tags,
// or the name of a repository. It stays valid while images come and go.
type position struct {
	Serial int    `json:"s,omitempty"`
	Name   string `json:"n,omitempty"`
}

// pageToken says where a listing continues, and for which query. AWS's tokens
// are opaque (API Reference, nextToken of each listing). Assumed: a token is
// valid only for its own query. The page size is not part of the query.
type pageToken struct {
	position
	Query string `json:"q"`
}

// fingerprint identifies a query.
func fingerprint(query ...any) string {
	return digest.FromString(fmt.Sprintf("%q", query)).Encoded()[:16]
}

// start returns the position in a token; an empty token is the beginning.
func start(token, query string) (position, error) {
	var t pageToken
	if token == "" {
		return t.position, nil
	}
	body, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || json.Unmarshal(body, &t) != nil || t.Query != query {
		return position{}, invalid("NextToken", "Invalid next token provided") // CodesWhat/drydock#927
	}
	return t.position, nil
}

// limit returns the size of a page.
func (p pageRequest) limit(byDefault, most int) (int, error) {
	switch {
	case p.MaxResults == nil:
		return byDefault, nil
	case *p.MaxResults < 1:
		return 0, invalid("maxResults", "Member must have value greater than or equal to 1")
	case *p.MaxResults > most:
		return 0, invalid("maxResults", "Member must have value less than or equal to %d", most)
	}
	return *p.MaxResults, nil
}

// page returns the next page of a listing, which continues after a position.
// The token is empty after the last page.
func page[T any](in pageRequest, byDefault, most int, query string, listing func(position) iter.Seq2[position, T]) (items []T, next string, err error) {
	limit, err := in.limit(byDefault, most)
	if err != nil {
		return nil, "", err
	}
	last, err := start(in.NextToken, query)
	if err != nil {
		return nil, "", err
	}
	items = []T{}
	for at, item := range listing(last) {
		if len(items) == limit {
			body, err := json.Marshal(pageToken{last, query})
			if err != nil {
				panic(err) // a string and a number can always be marshaled
			}
			return items, base64.RawURLEncoding.EncodeToString(body), nil
		}
		items, last = append(items, item), at
	}
	return items, "", nil
}
