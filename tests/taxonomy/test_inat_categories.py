"""The categories of iNaturalist's JSON files, in the forms of 2017 to 2021, and of COCO."""

import json

import pytest
from click.testing import CliRunner

from taxonomy import formats
from taxonomy.cli import main
from taxonomy.errors import HierarchyError
from taxonomy.leveling import ImportOptions

OF_2021 = {
    "id": 0, "name": "Lumbricus terrestris", "common_name": "Common Earthworm", "supercategory": "Animals",
    "kingdom": "Animalia", "phylum": "Annelida", "class": "Clitellata", "order": "Haplotaxida",
    "family": "Lumbricidae", "genus": "Lumbricus", "specific_epithet": "terrestris",
    "image_dir_name": "00000_Animalia_Annelida_Clitellata_Haplotaxida_Lumbricidae_Lumbricus_terrestris",
}  # fmt: skip
SEVEN = ("kingdom", "phylum", "class", "order", "family", "genus", "species")


def build(tmp_path, content, *options):
    (tmp_path / "categories.json").write_text(json.dumps(content))
    line = ["build", "--from", "inat", tmp_path / "categories.json", "--out", tmp_path / "out.json", *options]
    done = CliRunner().invoke(main, list(map(str, line)), prog_name="hiertax")
    return done, formats.load(tmp_path / "out.json") if done.exit_code == 0 else None


def of_2018(leaves=8142, sizes=(6, 25, 57, 272, 1118, 4401)):
    """Return categories of the form and the counts of 2018: no common names, no folders, ids from 0."""
    categories = []
    for i in range(leaves):
        index, above = i, {}
        for rank, size in zip(reversed(SEVEN[:-1]), reversed(sizes), strict=True):
            index %= size
            above[rank] = f"{rank.title()}{index}"
        categories.append({**above, "supercategory": "Mollusca", "id": i, "name": f"Genus{i % 4401} species{i}"})
    return categories


def test_the_form_of_2021_gives_seven_levels_and_the_folders_as_classes(tmp_path):
    done, tree = build(tmp_path, {"info": {}, "categories": [OF_2021], "images": [], "annotations": []})
    assert done.exit_code == 0, done
    assert tuple(level.name for level in tree.levels) == SEVEN
    assert tree.classes == (OF_2021["image_dir_name"],)
    assert tree.lineage("Lumbricus terrestris")[-2:] == ("Lumbricus", "Lumbricus terrestris")


@pytest.mark.parametrize("wrap", [lambda them: them, lambda them: {"categories": them}])
def test_2018_gives_8142_leaves_on_seven_levels(wrap, tmp_path):
    done, tree = build(tmp_path, wrap(of_2018()))
    assert done.exit_code == 0, done
    assert tree.sizes == (6, 25, 57, 272, 1118, 4401, 8142)
    assert tree.classes[:1] == ("Genus0 species0",)


def test_levels_may_be_chosen_and_the_finest_is_the_name(tmp_path):
    done, tree = build(tmp_path, {"categories": [OF_2021]}, "--levels", "order,family,species")
    assert tree.sizes == (1, 1, 1), done
    assert tree.levels[-1].labels == ("Lumbricus terrestris",)


def test_classes_are_the_folders_of_the_images_where_the_file_lists_them(tmp_path):
    images = [
        {"id": 7, "file_name": "train_val2018/Aves/2820/a.jpg"},
        {"id": 8, "file_name": "train_val2018/Aves/1/b.jpg"},
    ]
    marks = [{"id": 1, "image_id": 7, "category_id": 2820}, {"id": 2, "image_id": 8, "category_id": 1}]
    categories = [
        {"id": 2820, "name": "Larus fuscus", "supercategory": "Aves"},
        {"id": 1, "name": "Uria", "supercategory": "Aves"},
    ]
    content = {"categories": categories, "images": images, "annotations": marks}
    _, tree = build(tmp_path, content)
    assert tree.classes == ("2820", "1")
    assert [level.name for level in tree.levels] == ["supercategory", "category"]
    marks[1]["category_id"] = 2820  # two folders of one category, none of the other
    assert build(tmp_path, content)[1].classes == ("Larus fuscus", "Uria")


def test_a_rank_that_a_category_lacks_is_a_gap(tmp_path):
    other = {**OF_2021, "name": "Eisenia fetida", "family": None, "genus": "Eisenia", "image_dir_name": "1"}
    done, _ = build(tmp_path, {"categories": [OF_2021, other]})
    assert "1 of 2 lineages have a gap, the first at level 'family'" in done.stderr
    _, tree = build(tmp_path, {"categories": [OF_2021, other]}, "--ragged", "fill")
    assert tree.lineage("1")[4] == "Eisenia (family)"


def test_a_category_that_is_listed_twice_is_one_class_which_is_said(tmp_path):
    done, tree = build(tmp_path, {"categories": [OF_2021, OF_2021]})
    assert tree.sizes[-1] == 1
    assert "1" in done.stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "missing required field `categories`"),
        ({"categories": []}, "'categories' is empty"),
        ({"categories": [3]}, "Expected `object`, got `int`"),
        ({"categories": [{"id": 3}]}, "categories[0] has no name"),
        (3, "Expected `object`, got `int`"),
    ],
)
def test_other_json_is_refused_in_one_line(content, message, tmp_path):
    done, _ = build(tmp_path, content)
    assert done.exit_code == 1
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out.json").exists()


def test_a_level_that_no_category_has_is_refused(tmp_path):
    done, _ = build(tmp_path, {"categories": [OF_2021]}, "--levels", "famly,species")
    assert "no category has 'famly', only class, common_name, family" in done.stderr


def test_what_is_written_is_read_as_the_same_tree():
    content = json.dumps(of_2018(40, (1, 2, 3, 6, 6, 12)))
    tree = formats.decode(content.encode(), "inat", ImportOptions(name="n", root="life"))
    again = formats.decode(formats.encode(tree, "inat"), "inat", ImportOptions(name="n", root="life"))
    assert again == tree


def test_levels_of_any_name_are_carried_but_for_the_keys_of_the_format():
    content = json.dumps({"categories": [{"id": 0, "name": "cat", "supercategory": "animal"}]}).encode()
    tree = formats.decode(content, "inat", ImportOptions())
    again = formats.decode(formats.encode(tree, "inat"), "inat", ImportOptions())
    assert [level.name for level in again.levels] == ["supercategory", "category"]
    odd = formats.decode(content, "inat", ImportOptions(levels=("name", "category")))
    with pytest.raises(HierarchyError, match="a level cannot be called 'name'"):
        formats.encode(odd, "inat")
