"""Decide whether a film is converted in pieces on the nodes, and in which; the film is read here."""

from runner.azure.context import RunContext
from runner.azure.work_items import WorkItem
from runner.media.failures import ConversionError
from runner.media.ffmpeg import Ffmpeg, Limits, ProcessHandle
from runner.media.orphans import LOG
from runner.media.pieces import UnsplittableError
from runner.media.recipe_adapter import RecipeAdapter
from runner.media.splitting import cut_film
from runner.options import AUTO, OFF
from runner.parallel import split_on_nodes


def cut_source(context: RunContext, item: WorkItem) -> None:
    """Cut the film of *item*, if it is on this machine, its run says so, and it gains by that.

    An attempt after a failure is made in one piece, which needs the fewest parts to go well.
    """
    wish, conversion = context.options.split, item.conversion
    if wish == OFF or conversion.recipe.media != "video" or item.retried:
        return
    if conversion.source.is_blob:
        if wish != AUTO:
            item.notice = "converted in one piece: it is read directly from storage"
        return
    pool = context.deployment.pool
    slots = pool.max_nodes * pool.at_a_time(conversion.recipe)
    split = split_on_nodes(wish, context.files, slots)
    if split is None:
        return
    log_path = str(context.scratch / f"{conversion.id}-cut{LOG}")
    ffmpeg = Ffmpeg(context.ffmpeg, log_path=log_path, handle=ProcessHandle(), limits=Limits())
    recipe, path = conversion.recipe, conversion.source.path
    source = (*recipe.input_arguments, "-i", f"file:{path}")
    try:
        picture = (
            RecipeAdapter(recipe, source, lambda *words: ffmpeg.run(words)).adapt().picture
            if recipe.film
            else None
        )
        item.cut = cut_film(ffmpeg, source, recipe, picture, split)
    except UnsplittableError as error:
        item.notice = f"converted in one piece: {error}"
    except ConversionError:
        return  # the node will say what is wrong with it
