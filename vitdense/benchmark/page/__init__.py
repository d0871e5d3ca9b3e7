"""A comparison of accuracies as one HTML file that asks no server.

``data`` makes plain data of a comparison; ``judged`` and ``label_maps`` tell
on which images two models disagree; ``drawing`` and ``gallery`` show these
images; ``write`` puts data, plotly and ``template`` into one file.

``vendored`` has plotly.js' basic bundle as its authors published it to npm,
archive and licence, unchanged: the distribution of plotly for Python carries
the whole bundle alone, 4.8 MB, which no page of 2 MB can hold.
"""
