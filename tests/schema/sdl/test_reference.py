"""The reference on one page."""

from pathlib import Path

from foretell.cli.schema import sdl
from schema.sdl.reference import reference

ROOT = Path(__file__).parents[3]

SMALL = '''
"""Reads."""
type Query {
  """Things | stuff."""
  things("""Most."""
  first: Int = 5): [Thing!]! @deprecated(reason: "Removal on 2027-01-01 UTC.")
}
"""A thing."""
type Thing { kind: Kind }
"""What kind."""
enum Kind { A "The other." B }
"""What to do."""
input DoInput { """How often.""" times: Int! = 1, kinds: [Kind!] = [A] }
'''

EXPECTED = """## Queries

Reads.

| field | type | |
|---|---|---|
| `things` | \\[[Thing](#thing)!]! | Things \\| stuff. **Deprecated.** Removal on 2027-01-01 UTC.<br>`first`: Int = `5`: Most. |

## Objects

### Thing

A thing.

| field | type | |
|---|---|---|
| `kind` | [Kind](#kind) |  |

## Inputs

### DoInput

What to do.

| field | type | default | |
|---|---|---|---|
| `times` | Int! | `1` | How often. |
| `kinds` | \\[[Kind](#kind)!] | `[A]` |  |

## Enums

### Kind

What kind.

- `A`
- `B`: The other.
"""  # noqa: E501


def test_docs_schema_md_is_the_reference() -> None:
    assert (ROOT / "docs" / "schema.md").read_text(encoding="utf-8") == reference(sdl()), "run `make schema`"


def test_a_page_has_every_type_by_its_kind_with_its_fields_arguments_and_defaults() -> None:
    assert reference(SMALL).partition("\n\n")[2].partition("\n\n")[2] == EXPECTED
