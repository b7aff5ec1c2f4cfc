// SPDX-License-Identifier: MPL-2.0
// How long the original Farstream takes to set up a call: two parties in this
// process, one after another N calls over loopback. Prints for each call the
// milliseconds from before the first object is made until both sides have decoded
// their first buffer. Takes the same options and prints the same as the other
// benchmarks of set-up, so that an outer program can interleave them.

// Farstream's own headers use GParameter.
#define GLIB_DISABLE_DEPRECATION_WARNINGS

#include <farstream/fs-conference.h>
#include <farstream/fs-element-added-notifier.h>
#include <farstream/fs-utils.h>
#include <gst/gst.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEADLINE_SECONDS 30

typedef struct {
  const char *media;
  FsMediaType type;
  const char *codec;
  guint clock_rate;
  const char *source;
} Kind;

static const Kind KINDS[] = {
  {"pcmu", FS_MEDIA_TYPE_AUDIO, "PCMU", 8000,
      "audiotestsrc is-live=true samplesperbuffer=160 !"
      " capsfilter caps=\"audio/x-raw,rate=8000,channels=1\""},
  {"vp8", FS_MEDIA_TYPE_VIDEO, "VP8", 90000,
      "videotestsrc is-live=true !"
      " capsfilter caps=\"video/x-raw,format=I420,width=320,height=240,framerate=30/1\""},
};

typedef struct Call Call;

typedef struct {
  Call *call;
  GstElement *pipeline;
  GstElement *conference;
  FsElementAddedNotifier *notifier;
  FsParticipant *participant;
  FsSession *session;
  FsStream *stream;
  // Whether the other side's codecs have been accepted.
  gboolean accepted;
  gint heard;
} Side;

struct Call {
  GMainLoop *loop;
  Side sides[2];
  gint silent;
  gint64 end;
};

static const Kind *kind = &KINDS[0];
static gboolean only = FALSE;

static void
fail (const char *what, GError * error)
{
  g_printerr ("%s: %s\n", what, error ? error->message : "failed");
  exit (1);
}

static Side *
other (Side * side)
{
  return &side->call->sides[side == &side->call->sides[0]];
}

static gboolean
on_all_heard (gpointer loop)
{
  g_main_loop_quit (loop);
  return G_SOURCE_REMOVE;
}

// Called from a streaming thread.
static GstPadProbeReturn
on_buffer (GstPad * pad, GstPadProbeInfo * info, gpointer user_data)
{
  Side *side = user_data;

  (void) pad;
  (void) info;
  if (g_atomic_int_compare_and_exchange (&side->heard, 0, 1)
      && g_atomic_int_dec_and_test (&side->call->silent)) {
    side->call->end = g_get_monotonic_time ();
    g_idle_add (on_all_heard, side->call->loop);
  }
  return GST_PAD_PROBE_REMOVE;
}

// Called from a streaming thread.
static void
on_src_pad (FsStream * stream, GstPad * pad, FsCodec * codec, gpointer user_data)
{
  Side *side = user_data;
  GstElement *sink = gst_element_factory_make ("fakesink", NULL);
  GstPad *target;

  (void) stream;
  if (g_ascii_strcasecmp (codec->encoding_name, kind->codec) != 0)
    g_printerr ("received %s, not %s\n", codec->encoding_name, kind->codec);
  g_object_set (sink, "async", FALSE, NULL);
  gst_bin_add (GST_BIN (side->pipeline), sink);
  gst_element_sync_state_with_parent (sink);
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, on_buffer, side, NULL);
  target = gst_element_get_static_pad (sink, "sink");
  if (gst_pad_link (pad, target) != GST_PAD_LINK_OK)
    fail ("linking the received pad", NULL);
  gst_object_unref (target);
}

// Gives the codecs of `side` to the other one, as soon as they are known: those of
// the first side are the offer, those of the second the answer.
static void
announce (Side * side)
{
  Side *to = other (side);
  gboolean is_answer = side == &side->call->sides[1];
  GList *codecs = NULL;
  GError *error = NULL;

  if (to->accepted || (is_answer && !side->accepted))
    return;
  g_object_get (side->session, "codecs", &codecs, NULL);
  if (!codecs)
    return;
  to->accepted = TRUE;
  if (!fs_stream_set_remote_codecs (to->stream, codecs, &error))
    fail ("remote codecs", error);
  fs_codec_list_destroy (codecs);
  announce (to);
}

static gboolean
on_message (GstBus * bus, GstMessage * message, gpointer user_data)
{
  Side *side = user_data;
  const GstStructure *s = gst_message_get_structure (message);

  (void) bus;
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
    GError *error = NULL;
    gst_message_parse_error (message, &error, NULL);
    fail ("pipeline", error);
  } else if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_LATENCY) {
    gst_bin_recalculate_latency (GST_BIN (side->pipeline));
  } else if (gst_message_has_name (message, "farstream-error")) {
    g_printerr ("farstream-error: %s\n", gst_structure_get_string (s, "error-msg"));
    exit (1);
  } else if (gst_message_has_name (message, "farstream-new-local-candidate")) {
    GList *list = g_list_prepend (NULL,
        g_value_get_boxed (gst_structure_get_value (s, "candidate")));
    GError *error = NULL;
    if (!fs_stream_force_remote_candidates (other (side)->stream, list, &error))
      fail ("remote candidates", error);
    g_list_free (list);
  } else if (gst_message_has_name (message, "farstream-codecs-changed")) {
    announce (side);
  }
  return G_SOURCE_CONTINUE;
}

// Farstream's own preferences with the codec under test first, or alone.
static void
prefer (Side * side)
{
  GList *preferences = fs_utils_get_default_codec_preferences (side->conference);
  GList *known, *item;
  GError *error = NULL;

  for (item = preferences; item;) {
    GList *next = item->next;
    FsCodec *codec = item->data;
    if (only || codec->media_type != kind->type
        || g_ascii_strcasecmp (codec->encoding_name, kind->codec) == 0) {
      fs_codec_destroy (codec);
      preferences = g_list_delete_link (preferences, item);
    }
    item = next;
  }
  if (only) {
    g_object_get (side->session, "codecs-without-config", &known, NULL);
    for (item = known; item; item = item->next) {
      FsCodec *codec = item->data;
      if (g_ascii_strcasecmp (codec->encoding_name, kind->codec) != 0)
        preferences = g_list_prepend (preferences, fs_codec_new (FS_CODEC_ID_DISABLE,
                codec->encoding_name, kind->type, codec->clock_rate));
    }
    fs_codec_list_destroy (known);
  }
  preferences = g_list_prepend (preferences,
      fs_codec_new (FS_CODEC_ID_ANY, kind->codec, kind->type, kind->clock_rate));
  if (!fs_session_set_codec_preferences (side->session, preferences, &error))
    fail ("codec preferences", error);
  fs_codec_list_destroy (preferences);
}

static void
open_transmitter (Side * side)
{
  GParameter params[3];
  GList *local = NULL;
  GError *error = NULL;
  guint i;

  for (i = 2; i >= 1; i--)
    local = g_list_prepend (local, fs_candidate_new (NULL, i, FS_CANDIDATE_TYPE_HOST,
            FS_NETWORK_PROTOCOL_UDP, "127.0.0.1", 0));
  memset (params, 0, sizeof (params));
  params[0].name = "upnp-mapping";
  params[1].name = "upnp-discovery";
  params[2].name = "preferred-local-candidates";
  for (i = 0; i < 2; i++)
    g_value_set_boolean (g_value_init (&params[i].value, G_TYPE_BOOLEAN), FALSE);
  g_value_init (&params[2].value, FS_TYPE_CANDIDATE_LIST);
  g_value_take_boxed (&params[2].value, local);
  if (!fs_stream_set_transmitter (side->stream, "rawudp", params, 3, &error))
    fail ("transmitter", error);
  g_value_unset (&params[2].value);
}

static void
open_side (Side * side, Call * call)
{
  GError *error = NULL;
  GstBus *bus;
  GstElement *source;
  GstPad *from, *to = NULL;

  side->call = call;
  side->pipeline = gst_pipeline_new (NULL);
  bus = gst_element_get_bus (side->pipeline);
  gst_bus_add_watch (bus, on_message, side);
  gst_object_unref (bus);
  side->conference = gst_element_factory_make ("fsrtpconference", NULL);
  side->notifier = fs_element_added_notifier_new ();
  fs_element_added_notifier_set_default_properties (side->notifier, side->conference);
  fs_element_added_notifier_add (side->notifier, GST_BIN (side->pipeline));
  gst_bin_add (GST_BIN (side->pipeline), side->conference);
  side->participant =
      fs_conference_new_participant (FS_CONFERENCE (side->conference), &error);
  if (!side->participant)
    fail ("participant", error);
  side->session =
      fs_conference_new_session (FS_CONFERENCE (side->conference), kind->type, &error);
  if (!side->session)
    fail ("session", error);
  prefer (side);
  side->stream =
      fs_session_new_stream (side->session, side->participant, FS_DIRECTION_BOTH, &error);
  if (!side->stream)
    fail ("stream", error);
  g_signal_connect (side->stream, "src-pad-added", G_CALLBACK (on_src_pad), side);

  source = gst_parse_bin_from_description (kind->source, TRUE, &error);
  if (!source)
    fail ("source", error);
  gst_bin_add (GST_BIN (side->pipeline), source);
  from = gst_element_get_static_pad (source, "src");
  g_object_get (side->session, "sink-pad", &to, NULL);
  if (gst_pad_link (from, to) != GST_PAD_LINK_OK)
    fail ("linking the source", NULL);
  gst_object_unref (from);
  gst_object_unref (to);
}

static void
close_side (Side * side)
{
  GstBus *bus = gst_element_get_bus (side->pipeline);

  gst_bus_remove_watch (bus);
  gst_object_unref (bus);
  gst_element_set_state (side->pipeline, GST_STATE_NULL);
  fs_stream_destroy (side->stream);
  g_object_unref (side->stream);
  fs_session_destroy (side->session);
  g_object_unref (side->session);
  g_object_unref (side->participant);
  g_object_unref (side->notifier);
  gst_object_unref (side->pipeline);
}

static gboolean
on_deadline (gpointer user_data)
{
  (void) user_data;
  g_printerr ("nothing decoded within %d s\n", DEADLINE_SECONDS);
  exit (1);
}

static double
run_call (void)
{
  Call call;
  gint64 start;
  guint deadline, i;

  memset (&call, 0, sizeof (call));
  call.loop = g_main_loop_new (NULL, FALSE);
  call.silent = 2;
  deadline = g_timeout_add_seconds (DEADLINE_SECONDS, on_deadline, NULL);
  start = g_get_monotonic_time ();
  for (i = 0; i < 2; i++)
    open_side (&call.sides[i], &call);
  // Only now, for each message concerns both sides.
  for (i = 0; i < 2; i++)
    open_transmitter (&call.sides[i]);
  announce (&call.sides[0]);
  for (i = 0; i < 2; i++)
    gst_element_set_state (call.sides[i].pipeline, GST_STATE_PLAYING);
  g_main_loop_run (call.loop);
  g_source_remove (deadline);
  for (i = 0; i < 2; i++)
    close_side (&call.sides[i]);
  g_main_loop_unref (call.loop);
  return (call.end - start) / 1000.0;
}

// The name of the plugin is also that of its successor.
static void
check_plugin (void)
{
  GstRegistry *registry = gst_registry_get ();
  GstPlugin *core = gst_registry_find_plugin (registry, "coreelements");
  GstPlugin *plugin = gst_registry_find_plugin (registry, "fsrtpconference");
  static const char *const broken[] = { "srtpenc", "srtpdec" };
  guint i;

  if (!core || !plugin)
    fail ("fsrtpconference", NULL);
  if (g_strcmp0 (g_path_get_dirname (gst_plugin_get_filename (core)),
          g_path_get_dirname (gst_plugin_get_filename (plugin))) != 0) {
    g_printerr ("not Farstream's own plugin: %s\n", gst_plugin_get_filename (plugin));
    exit (1);
  }
  // With these Farstream 0.2.9 puts a key-less srtpenc into every plain call, which
  // libsrtp 2.5 refuses.
  for (i = 0; i < G_N_ELEMENTS (broken); i++) {
    GstPluginFeature *feature = gst_registry_lookup_feature (registry, broken[i]);
    if (feature)
      gst_registry_remove_feature (registry, feature);
  }
}

int
main (int argc, char **argv)
{
  char *codec = NULL;
  int calls = 5, i;
  guint k;
  GOptionEntry entries[] = {
    {"codec", 0, 0, G_OPTION_ARG_STRING, &codec, "pcmu or vp8", "NAME"},
    {"calls", 0, 0, G_OPTION_ARG_INT, &calls, "how many calls", "N"},
    {"only-codec", 0, 0, G_OPTION_ARG_NONE, &only, "offer no other codec", NULL},
    {NULL, 0, 0, 0, NULL, NULL, NULL}
  };
  GOptionContext *context = g_option_context_new (NULL);
  GError *error = NULL;

  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error))
    fail ("options", error);
  for (k = 0; codec && strcmp (KINDS[k].media, codec) != 0;)
    if (++k == G_N_ELEMENTS (KINDS))
      fail ("--codec must be pcmu or vp8", NULL);
  kind = &KINDS[k];
  gst_init (NULL, NULL);
  check_plugin ();
  for (i = 0; i < calls; i++) {
    g_print ("%.1f\n", run_call ());
    fflush (stdout);
  }
  return 0;
}
