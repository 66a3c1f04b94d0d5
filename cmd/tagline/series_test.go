package main

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

func median[T cmp.Ordered](all []T) T {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}

// series is one case, measured several times.
type series struct {
	costs  []cost
	ratios []float64
}

func (s *series) add(c cost, floor time.Duration) {
	s.costs, s.ratios = append(s.costs, c), append(s.ratios, float64(c.wall)/float64(floor))
}

func (s *series) wall() time.Duration {
	return median(collect(s.costs, func(c cost) time.Duration { return c.wall }))
}

func (s *series) memory() float64 {
	return median(collect(s.costs, func(c cost) float64 { return c.memory }))
}

func (s *series) requests() int {
	return median(collect(s.costs, func(c cost) int { return len(c.trace) }))
}

func (s *series) ratio() float64 { return median(s.ratios) }

// row is a line of a table: what, requests, per alias, wall, x floor, MB.
func (s *series) row(what string, aliases int) string {
	return fmt.Sprintf("| %s | %d | %.2f | %s | %.2f | %.0f |", what, s.requests(),
		float64(s.requests())/float64(aliases), ms(s.wall()), s.ratio(), s.memory())
}

func collect[T, V any](all []T, of func(T) V) []V {
	values := make([]V, len(all))
	for i, one := range all {
		values[i] = of(one)
	}
	return values
}

// count is how many requests of a run have one method.
func (c cost) count(method string) int {
	n := 0
	for _, r := range c.trace {
		if r.Method == method {
			n++
		}
	}
	return n
}

func ms(d time.Duration) string { return fmt.Sprintf("%.0f", float64(d.Microseconds())/1000) }
