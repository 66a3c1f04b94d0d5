package transport

import (
	"maps"
	"net/http"
	"testing"
)

func TestLinks(t *testing.T) {
	for name, test := range map[string]struct {
		headers []string
		want    map[string]string
	}{
		"none":                     {nil, nil},
		"the specification's":      {[]string{`</v2/app/tags/list?n=2&last=b>; rel="next"`}, map[string]string{"next": "/v2/app/tags/list?n=2&last=b"}},
		"without quotes":           {[]string{`<?n=2>;rel=next`}, map[string]string{"next": "?n=2"}},
		"several in one":           {[]string{`<a?page=1>; rel="prev", <a?page=3>; rel="next", <a?page=9>; rel="last"`}, map[string]string{"prev": "a?page=1", "next": "a?page=3", "last": "a?page=9"}},
		"several headers":          {[]string{`<a>; rel="next"`, `<b>; rel="last"`}, map[string]string{"next": "a", "last": "b"}},
		"a comma in an address":    {[]string{`<a?of=1,2>; rel="next"`}, map[string]string{"next": "a?of=1,2"}},
		"other parameters":         {[]string{`<a>; title="x, rel=last"; rel="next"`}, map[string]string{"next": "a"}},
		"several relations":        {[]string{`<a>; rel="next last"`}, map[string]string{"next": "a", "last": "a"}},
		"in capitals":              {[]string{`<a>; REL="Next"`}, map[string]string{"next": "a"}},
		"the first of two":         {[]string{`<a>; rel="next", <b>; rel="next"`}, map[string]string{"next": "a"}},
		"the relation of another":  {[]string{`<a>, <b>; rel="next"`}, map[string]string{"next": "b"}},
		"no relation, and no link": {[]string{`<a>`, "next", ""}, nil},
	} {
		if got := Links(http.Header{"Link": test.headers}); !maps.Equal(got, test.want) {
			t.Errorf("%s: got %v, want %v", name, got, test.want)
		}
	}
}
