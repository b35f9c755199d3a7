# SPDX-License-Identifier: BSL-1.0
#
# A header as Doxygen is to read it: awk -f filter.awk <header>. Lines keep their numbers.
#
# - What is in namespace detail is nobody's business, but for the base of both streams, whose public members are theirs.
# - What the compiler writes (`= default`), and what specialises a template of others, or one of ours for something in detail,
#   needs no words.
# - A comment behind a member ends with its line: Doxygen would add the next member's to it.
# - The fixed headings of an operation, with the lines that go on under them, become items of a list.

function hide(line) { return "/** @cond */ " line " /** @endcond */" }

FILENAME ~ /session_handle\.hpp$/ && /^protected:$/ { print "private:"; next }

/^namespace ((weir::)?([a-z]*::)?detail(::[a-z_]+)?) \{$/ && FILENAME !~ /session_handle\.hpp$/ {
    print "/** @cond */ " $0
    hidden = FNR
    next
}
# A namespace of one line ends without a comment.
hidden && (/^}  \/\/ namespace/ || (/^}$/ && FNR == hidden + 2)) { print $0 " /** @endcond */"; hidden = 0; next }
hidden { print; next }

# template <...> is held back until it is known what follows.
/^template <[^;{]*$/ {
    if (held) print held
    held = $0
    next
}
held {
    hides = $0 ~ /^(struct|class) [A-Za-z_]+::/
    print (hides ? "/** @cond */ " : "") held
    held = ""
    if (hides) {
        specialised = $0 !~ /};$/
        print $0 (specialised ? "" : " /** @endcond */")
        next
    }
}
specialised { print $0 (/^};$/ ? " /** @endcond */" : ""); if (/^};$/) specialised = 0; next }

# Doxygen does not find the declaration that the body of a conversion belongs to.
/^inline [a-z_]+::operator / { print "/** @cond */ " $0; body = 1; next }
body && /^}$/ { print $0 " /** @endcond */"; body = 0; next }

/\) (const )?(noexcept )?= default;(  \/\/ .*)?$/ { print hide($0); next }

/^ *\/\/\/ (Signature|Completes|Errors|Cancellation|Lifetime|Source|Throws)  +/ {
    indent = $0
    sub(/\/.*/, "", indent)
    text = $0
    sub(/^ *\/\/\/ [A-Z][a-z]+  +/, "", text)
    if ($2 == "Signature") text = "`" text "`"
    print indent "/// - **" $2 "** " text
    listed = 1
    next
}
listed && /^ *\/\/\/    +/ { sub(/\/\/\/ +/, "///   "); print; next }

{ listed = 0 }
# Of several members in one line each is what the comment says.
/^ +[a-z_:0-9]+ [a-z_]+(, [a-z_]+)+;  \/\/\/< / {
    split($0, halves, /;  \/\/\/< /)
    type = $1
    count = split(substr(halves[1], index(halves[1], type) + length(type) + 1), names, /, /)
    for (i = 1; i <= count; ++i) printf "%s %s; /**< %s */ ", type, names[i], halves[2]
    print ""
    next
}
/\/\/\/< / && !/\*\// { sub(/\/\/\/< /, "/**< "); print $0 " */"; next }
{ print }
