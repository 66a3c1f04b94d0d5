package config

import (
	"fmt"
	"strings"
)

// didYouMean is `; did you mean "platforms"?`, or "" where nothing known comes
// close to the word.
func didYouMean(word string, known []string) string {
	if k := Closest(word, known); k != "" {
		return fmt.Sprintf("; did you mean %q?", k)
	}
	return ""
}

// Closest is the known word that takes the fewest edits to get to, case aside,
// or "" if each takes more than one for every three letters: a guess should be
// a likely one.
func Closest(word string, known []string) string {
	if len(word) > maxQuoted {
		return ""
	}
	best, fewest := "", len(word)
	for _, k := range known {
		edits := distance(strings.ToLower(word), strings.ToLower(k))
		if allowed := (max(len(word), len(k)) + 2) / 3; edits <= allowed && edits < fewest {
			best, fewest = k, edits
		}
	}
	return best
}

// distance counts the letters to insert, delete, replace, or swap with their
// neighbour to get from a to b (Damerau-Levenshtein, optimal string alignment).
func distance(a, b string) int {
	s, t := []rune(a), []rune(b)
	before, above, row := make([]int, len(t)+1), make([]int, len(t)+1), make([]int, len(t)+1)
	for j := range above {
		above[j] = j
	}
	for i := range s {
		row[0] = i + 1
		for j := range t {
			replace := above[j]
			if s[i] != t[j] {
				replace++
			}
			row[j+1] = min(replace, above[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && s[i] == t[j-1] && s[i-1] == t[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, above, row = above, row, before
	}
	return above[len(t)]
}
