#!/bin/bash
# SPDX-License-Identifier: MIT
#
# returns.sh - every result that larder.h promises is produced by a test
#
#   tests/lint/returns.sh [ROOT]      fails and names each pair that no test covers
#   tests/lint/returns.sh -l [ROOT]   lists all pairs that must be covered
#
# A test names what it covers in a comment next to the assertion: the call, then results of it, in
# the words of the header (0 and LARDER_OK are one). A call that has no result, or returns no
# result code, is covered by its name alone.
#
#	/ * covers: larder_get LARDER_MISS LARDER_TRUNC * /
#	/ * covers: larder_close * /
#
# The pairs come from the comments of larder.h, "Return:" to "Since:". "the common results" stands
# for their list, "as larder_get()" for all results of that call, "the errors of larder_open()" for
# its negative ones. Results that are described but not named ("any errno of mmap(2)") do not count.
# The results common to every call must be covered for one call each. A covers comment that
# names what the header does not promise is an error too.
set -u
list=0
[ "${1:-}" = -l ] && list=1 && shift
cd "${1:-$(dirname "$0")/../..}" || exit 2

find tests -path tests/lint -prune -o -type f -name '*.[ch]' -print | sort |
	LIST=$list exec perl -e "$(
		cat <<'PERL'
use strict;
use warnings;

my $bad;
open my $in, '<', 'include/larder/larder.h' or die "larder.h: $!\n";
my $header = do { local $/; <$in> };

sub complain {
	print join('', @_), "\n";
	$bad = 1;
}

my ($enum) = $header =~ /enum larder_result \{(.*?)\};/s or die "no enum larder_result\n";
$enum =~ s{/\*.*?\*/}{}gs;
my %outcome = map { $_ => 1 } $enum =~ /(LARDER_\w+)/g;
my ($shared) = $header =~ /results can come from every call(.*?)\n \* Keys/s
	or die "no paragraph on the results of every call\n";
my %everywhere = map { $_ => 0 } $shared =~ /(-E[A-Z0-9]+)/g;
my ($common) = $header =~ /Common results:(.*?)\. After an error/s or die "no common results\n";

# The results that a text names, in the order of the text.
sub named {
	my ($text) = @_;
	my @names = $text =~ /(?<![\w-])(0(?= |;|\.|$)|LARDER_\w+|-E[A-Z0-9]+)\b/g;
	return grep { $_ eq 'LARDER_OK' || $outcome{$_} || /^-E/ } map { $_ eq '0' ? 'LARDER_OK' : $_ } @names;
}

my %text;	# of the Return: part, by call
while ($header =~ m{/\*\n \* (larder_\w+(?:, larder_\w+)*) - (.*?)\*/}gs) {
	my ($calls, $comment) = ($1, $2);
	$comment =~ s/\n \*/ /g;
	$comment =~ s/\s+/ /g;
	my ($return) = $comment =~ /Return: (.*?)(?: Since:|$)/;
	$text{$_} = $return // '' for split /, /, $calls;
}

my %results;
sub results_of {
	my ($call) = @_;
	return @{$results{$call}} if $results{$call};
	my $text = $text{$call} // '';
	my @all = named($text);
	push @all, named($common) if $text =~ /the common results/;
	while ($text =~ /\bas (larder_\w+)\(\)/g) {
		push @all, results_of($1);
	}
	while ($text =~ /the errors of (larder_\w+)\(\)/g) {
		push @all, grep { /^-E/ } results_of($1);
	}
	my %seen;
	return @{$results{$call} = [grep { !$seen{$_}++ } @all]};
}

(my $code = $header) =~ s{/\*.*?\*/}{}gs;
my (%need, @calls);
while ($code =~ /^LARDER_API\b[^;]*?\b(larder_\w+)\s*\(/gm) {
	my $call = $1;
	push @calls, $call;
	complain("larder.h: $call() has no comment that begins with its name") unless exists $text{$call};
	my @all = results_of($call);
	$need{$call}{$_} = 0 for @all ? @all : 'called';
}

sub note {
	my ($at, $call, @names) = @_;
	return complain("$at: larder.h has no $call()") unless $need{$call};
	my $any = exists $need{$call}{called};
	$need{$call}{called}++ if $any;
	for my $name (map { $_ eq '0' ? 'LARDER_OK' : $_ } @names) {
		$everywhere{$name}++ if exists $everywhere{$name};
		if (exists $need{$call}{$name}) {
			$need{$call}{$name}++;
		} elsif (!exists $everywhere{$name}) {
			complain("$at: $call() does not promise $name");
		}
	}
	complain("$at: covers: $call without a result") unless $any || @names;
}

while (my $file = <STDIN>) {
	chomp $file;
	open my $test, '<', $file or die "$file: $!\n";
	while (my $line = <$test>) {
		next unless $line =~ /\bcovers:\s*(larder_\w+)((?:[ \t,]+(?:0|LARDER_\w+|-E[A-Z0-9]+))*)/;
		my ($call, $names) = ($1, $2);
		note("$file:$.", $call, $names =~ /[^ \t,]+/g);
	}
}

for my $call (@calls) {
	my @open = grep { $ENV{LIST} || !$need{$call}{$_} } sort keys %{$need{$call}};
	next unless @open;
	if ($ENV{LIST}) {
		print "$call @open\n";
	} else {
		complain("not covered: $call @open");
	}
}
for my $name (sort keys %everywhere) {
	if ($ENV{LIST}) {
		print "(any call) $name\n";
	} else {
		complain("not covered by any call: $name") unless $everywhere{$name};
	}
}
exit($bad ? 1 : 0);
PERL
	)"
