#!/bin/bash
# SPDX-License-Identifier: MIT
#
# order.sh - every memory ordering has a label, and every label has both ends
#
#   tests/lint/order.sh [ROOT]
#
# libclient/atomic.h is the only file that names C11 orders. Where something is released with its
# operations (store_release, cas, fetch_add, fence_acquire, fence_release, fence_full), a comment
# carries a label and the label at the other end, where the acquire is:
#
#	/* [P1] release, pairs with [A1] in index_lookup() and [A2]: the entry bytes ... */
#
# Fails on
# 1. a bare atomic_*, __atomic_*, __sync_*, memory_order_* or volatile outside atomic.h
#    (volatile sig_atomic_t is how C speaks of a signal handler, and may stay);
# 2. such an operation with no label on its line or in the 15 lines above it;
# 3. "[P1] ... pairs with [A1]" when no comment says "[A1] ... pairs with [P1]";
# 4. a pair that no ordering table names: a row "P1/A1" in the comment atop a file of either end.
set -u
cd "${1:-$(dirname "$0")/../..}" || exit 2
shopt -s nullglob
files=(include/larder/*.h libclient/*.[ch] daemon/*.[ch] tools/*.[ch])
[ ${#files[@]} = 0 ] && exit 0

exec perl - "${files[@]}" <<'PERL'
use strict;
use warnings;

my $label = qr/\[([A-Z]{1,3}[0-9]+[a-z]?)\]/;
my (%pairs, %where, %tables, $bad);

sub complain {
	print join('', @_), "\n";
	$bad = 1;
}

# Comments and strings become spaces; line breaks stay, so that lines keep their numbers.
sub code_of {
	my ($text) = @_;
	$text =~ s{(/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*")}{(my $s = $1) =~ s/[^\n]/ /g; $s}ges;
	return $text;
}

sub check_code {
	my ($file, $text) = @_;
	my @raw = split /\n/, $text;
	my @code = split /\n/, code_of($text);

	for my $i (0 .. $#code) {
		my $line = $code[$i];
		my $at = "$file:" . ($i + 1) . ': ';

		$line =~ s/volatile sig_atomic_t//;
		complain($at, "bare $1, use a name of atomic.h")
			if $line =~ /\b(atomic_[a-z]\w*|__atomic_\w+|__sync_\w+|memory_order_\w+|volatile)\b/;
		next unless $line =~
			/\b((?:store_release|cas|fetch_add)(?:_u\d+)?|fence_(?:acquire|release|full))\s*\(/;
		my $op = $1;
		my $from = $i < 15 ? 0 : $i - 15;
		complain($at, "$op() without a label such as [P1]")
			unless join("\n", @raw[$from .. $i]) =~ $label;
	}
}

sub read_comments {
	my ($file, $text) = @_;

	while ($text =~ m{/\*(.*?)\*/}gs) {
		my $comment = $1;
		my $line = 1 + (substr($text, 0, $-[0]) =~ tr/\n//);
		$comment =~ s/\n\s*\*?/ /g;
		$tables{$file}{"$1/$2"} = 1
			while $comment =~ m{\b([A-Z]{1,3}[0-9]+[a-z]?)/(?=([A-Z]{1,3}[0-9]+[a-z]?)\b)}g;
		# A label owns the text up to the next one, but those behind "pairs with" are its pairs.
		while ($comment =~ /$label(?=((?:(?!pairs with)[^\[])*pairs with((?:,|\s|and|or|in\s+[\w.]+(?:\(\))?|$label)+)))/g) {
			my ($own, $rest) = ($1, $3);
			push @{$where{$own}}, "$file:$line";
			while ($rest =~ /$label/g) {
				$pairs{$own}{$1}{$file} = 1;
			}
		}
	}
}

for my $file (@ARGV) {
	open my $in, '<', $file or die "$file: $!\n";
	my $text = do { local $/; <$in> };
	read_comments($file, $text);
	check_code($file, $text) unless $file eq 'libclient/atomic.h';
}

for my $own (sort keys %pairs) {
	for my $other (sort keys %{$pairs{$own}}) {
		my $at = $where{$own}[0] . ': ';
		my ($here, $there) = ($pairs{$own}{$other}, $pairs{$other}{$own});

		if (!$there) {
			complain($at, "[$own] pairs with [$other], but no [$other] pairs with [$own]");
			next;
		}
		my $row = grep { $tables{$_}{"$own/$other"} || $tables{$_}{"$other/$own"} }
			keys %$here, keys %$there;
		complain($at, "no ordering table has a row $own/$other or $other/$own")
			if !$row && $own lt $other;
	}
}
exit($bad ? 1 : 0);
PERL
